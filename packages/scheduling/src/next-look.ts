/** When to plan again though nothing happens: some rules change with time alone. */
import type { Plan } from './plan.ts';
import { QUEUE_POLICIES, type QueuePolicyName } from './policies.ts';
import type { Snapshot } from './snapshot.ts';

/** Service and age move slowly; nobody minds a minute. */
const LOOK_AGAIN_MS = 60_000;
const HOUR_MS = 3_600_000;
const RELEASED_AFTER_MS = 15 * 60_000;

/** Milliseconds from now; null when only an event can help. `nextMoveInMs`: until the budget allows one move more. */
export function nextLookMs(
  { nowMs, queues, workloads }: Snapshot,
  plan: Plan,
  nextMoveInMs: number | null = null,
): number | null {
  const looks = plan.reduced.flatMap(({ reasons }) =>
    reasons.flatMap((reason) => (reason.code === 'settling' ? [Math.max(0, reason.untilMs - nowMs)] : [])),
  );
  if (plan.waiting.length === 0) return looks.length === 0 ? null : Math.min(...looks);
  const isTimed = queues.some(
    ({ minRuntimeMs, policy }) =>
      minRuntimeMs !== undefined || (policy !== undefined && isDisplacing(policy as QueuePolicyName)),
  );
  if (isTimed) looks.push(LOOK_AGAIN_MS);
  if (nextMoveInMs !== null && isWaitingFor(plan, 'fragmented')) looks.push(nextMoveInMs);
  // A peak that does not come is let go a while after its hour has begun.
  if (isWaitingFor(plan, 'kept_ahead')) looks.push(HOUR_MS - (nowMs % HOUR_MS) + RELEASED_AFTER_MS);
  const waiting = new Set(plan.waiting.map(({ workloadId }) => workloadId));
  for (const { id, kept } of workloads)
    if (kept !== undefined && kept.untilMs > nowMs && waiting.has(id)) looks.push(kept.untilMs - nowMs);
  return looks.length === 0 ? null : Math.min(...looks);
}

const isWaitingFor = ({ waiting }: Plan, why: string): boolean =>
  waiting.some(({ reasons }) => reasons.some(({ code }) => code === why));

function isDisplacing(name: QueuePolicyName): boolean {
  return 'displaces' in QUEUE_POLICIES[name];
}
