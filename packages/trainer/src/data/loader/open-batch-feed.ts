/** Chooses how data is read: in threads when it is asked for, or when the data is too large to count on the page cache. */
import type { BatchOrder } from '@gantry/training/sampler';
import { ShardSet } from '../shard-set.ts';
import { tokenBytes, type TokenShard } from '../token-shard.ts';
import type { BatchFeed } from './batch-feed.ts';
import { InlineFeed } from './inline-feed.ts';
import { ThreadedFeed } from './threaded-feed.ts';

export interface BatchFeedOptions {
  readonly shards: readonly TokenShard[];
  readonly order: BatchOrder;
  readonly time: number;
  readonly microSequences: number;
  /** Undefined: one for data beyond `inlineLimitBytes`, else none. */
  readonly workers: number | undefined;
  readonly prefetch: number;
  /** Shards come and go; waited for in a thread, so that the rank's own can ask for them. */
  readonly isArriving?: boolean;
}

const inlineLimitBytes = 256 * 1024 * 1024;

export function openBatchFeed(options: BatchFeedOptions): BatchFeed {
  const { shards, order, time } = options;
  const bytes = shards.reduce((sum, { tokens, dtype }) => sum + tokens * tokenBytes[dtype], 0);
  const isLarge = bytes > inlineLimitBytes || options.isArriving === true;
  const workers = Math.max(options.workers ?? (isLarge ? 1 : 0), options.isArriving === true ? 1 : 0);
  if (workers === 0) return new InlineFeed(new ShardSet(shards, time), order, time);
  return new ThreadedFeed({ ...options, workers });
}
