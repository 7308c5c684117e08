/**
 * The knobs of dynamic batching, by Triton's names where it has them (its docs/user_guide/batcher.md), so that a
 * configuration moves over as it is.
 */
export interface QueuePolicy {
  /** Waiting requests beyond this are refused; absent: no limit. */
  readonly maxQueueSize?: number;
  /** How long a request may wait; absent: for ever. */
  readonly timeoutMs?: number;
  /** What becomes of one that waited too long: refused, or served after all others. */
  readonly timeoutAction: 'reject' | 'delay';
  /** Whether a request may bring a shorter timeout of its own. */
  readonly allowTimeoutOverride: boolean;
}

export interface BatchPolicy {
  readonly maxBatchSize: number;
  /** Sizes to stop at when no more has come and the delay is not over. Ascending. */
  readonly preferredBatchSizes: readonly number[];
  /** How long the oldest request may wait for company; 0 sends as soon as an instance is free. */
  readonly maxQueueDelayMs: number;
  /** 1 is the most urgent. */
  readonly priorityLevels: number;
  readonly defaultPriority: number;
  readonly queue: QueuePolicy;
  /** Per level, in place of `queue`. */
  readonly queueByPriority: Readonly<Record<number, QueuePolicy>>;
  /** Answers leave in the order of arrival: whoever runs the batches holds back what overtook. */
  readonly preserveOrdering: boolean;
}

export const defaultBatchPolicy: BatchPolicy = {
  maxBatchSize: 32,
  preferredBatchSizes: [],
  maxQueueDelayMs: 0,
  priorityLevels: 1,
  defaultPriority: 1,
  queue: { timeoutAction: 'reject', allowTimeoutOverride: false },
  queueByPriority: {},
  preserveOrdering: false,
};
