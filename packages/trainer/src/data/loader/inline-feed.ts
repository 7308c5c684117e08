/** Reads when it is asked: right for data that lies in the page cache, where a batch costs microseconds. */
import type { BatchAddress, BatchOrder } from '@gantry/training/sampler';
import type { ShardSet } from '../shard-set.ts';
import type { BatchFeed, BatchTarget, FeedStatistics } from './batch-feed.ts';

export class InlineFeed implements BatchFeed {
  readonly #shards: ShardSet;
  readonly #order: BatchOrder;
  readonly #time: number;
  #tokens = 0;
  #readMs = 0;
  #batches = 0;

  constructor(shards: ShardSet, order: BatchOrder, time: number) {
    this.#shards = shards;
    this.#order = order;
    this.#time = time;
  }

  async load(address: BatchAddress, target: BatchTarget): Promise<number> {
    const startedMs = performance.now();
    const sequences = this.#order.sequencesOf(address);
    const rows = { tokens: halvesOf(target.tokens), targets: halvesOf(target.targets) };
    for (const [row, sequence] of sequences.entries()) this.#shards.fill(sequence, rows, row);
    this.#tokens += sequences.length * this.#time;
    this.#readMs += performance.now() - startedMs;
    this.#batches += 1;
    return Promise.resolve(sequences.length);
  }

  statistics(): FeedStatistics {
    return {
      tokens: this.#tokens,
      readMs: this.#readMs,
      stallMs: this.#readMs,
      lateBatches: this.#batches,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#shards[Symbol.dispose]();
    await Promise.resolve();
  }
}

export function halvesOf(values: BigInt64Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length * 2);
}
