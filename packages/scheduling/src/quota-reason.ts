/** What the queue tree refuses, as reasons. */
import type { LendingHit, LimitHit, QueueTree } from './queue-tree.ts';
import type { Reason } from './reason.ts';

export function lendingReason({ queues }: QueueTree, { queue, resource, kept, by }: LendingHit): Reason {
  return { code: 'queue_keeps', tier: 'quota', queueId: queues[queue]!.id, resource, kept, by };
}

export function limitReason(
  { queues }: QueueTree,
  { queue, resource, used, requested, limit }: LimitHit,
): Reason {
  return { code: 'queue_limit', tier: 'quota', queueId: queues[queue]!.id, resource, used, requested, limit };
}
