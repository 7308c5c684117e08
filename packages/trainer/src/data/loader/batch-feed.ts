/** Micro-batches as a rank asks for them, in order; asked for another one (a rollback), it goes on from there. */
import type { BatchAddress } from '@gantry/training/sampler';

export interface BatchTarget {
  /** [sequences × time] each. */
  readonly tokens: BigInt64Array;
  readonly targets: BigInt64Array;
}

export interface FeedStatistics {
  readonly tokens: number;
  /** Time that reading took, wherever it ran. */
  readonly readMs: number;
  /** Time the rank stood still for its data. */
  readonly stallMs: number;
  /** Batches that were not ready when they were asked for. */
  readonly lateBatches: number;
}

export interface BatchFeed extends AsyncDisposable {
  /** Fills the first rows; answers how many sequences there are. Throws DataError when a shard is damaged. */
  load(address: BatchAddress, target: BatchTarget): Promise<number>;
  statistics(): FeedStatistics;
}
