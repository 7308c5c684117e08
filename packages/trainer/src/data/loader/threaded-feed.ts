/**
 * Reads ahead in threads that live as long as the rank: `workers` × `prefetch` micro-batches are on their way or
 * ready at any time, no more. Batches are taken in order, whichever thread is first.
 */
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { createDeferred } from '@gantry/kit';
import type { BatchAddress, BatchOrder } from '@gantry/training/sampler';
import { DataError, type DataErrorCode } from '../data-error.ts';
import type { TokenShard } from '../token-shard.ts';
import type { BatchFeed, BatchTarget, FeedStatistics } from './batch-feed.ts';
import type { FillFailure, FillRequest, LoaderThreadData } from './loader-thread.ts';
import { createSlotMemory, slotStates, type SlotMemory } from './slot-memory.ts';

export interface ThreadedFeedOptions {
  readonly shards: readonly TokenShard[];
  readonly order: BatchOrder;
  readonly time: number;
  /** The most sequences that a micro-batch has. */
  readonly microSequences: number;
  readonly workers: number;
  /** Micro-batches ahead for each worker. */
  readonly prefetch: number;
  readonly isArriving?: boolean;
}

interface Ahead {
  readonly address: BatchAddress;
  readonly slot: number;
  readonly sequences: number;
}

const { filling, failed } = slotStates;

export class ThreadedFeed implements BatchFeed {
  readonly #options: ThreadedFeedOptions;
  readonly #memory: SlotMemory;
  readonly #states: Int32Array<SharedArrayBuffer>;
  readonly #workers: readonly Worker[];
  readonly #failure = createDeferred<Error>();
  readonly #free: number[];
  readonly #ahead: Ahead[] = [];
  #turn = 0;
  #isClosing = false;
  #statistics = { tokens: 0, readMs: 0, stallMs: 0, lateBatches: 0 };

  constructor(options: ThreadedFeedOptions) {
    const { shards, time, microSequences, workers, prefetch, isArriving = false } = options;
    const slots = workers * prefetch;
    this.#options = options;
    this.#memory = createSlotMemory(slots, microSequences * time);
    this.#states = new Int32Array(this.#memory.states);
    this.#free = Array.from({ length: slots }, (_, slot) => slot);
    const path = join(import.meta.dirname, `loader-thread${extname(import.meta.filename)}`);
    const workerData: LoaderThreadData = { shards, time, memory: this.#memory, isArriving };
    this.#workers = Array.from({ length: workers }, () => this.#watched(new Worker(path, { workerData })));
  }

  async load(address: BatchAddress, target: BatchTarget): Promise<number> {
    const head = this.#ahead[0];
    if (head?.address.position !== address.position || head.address.index !== address.index)
      await this.#restart(address);
    const next = this.#ahead.shift() as Ahead;
    await this.#settled(next.slot, true);
    const { slotTokens, batches } = this.#memory;
    const count = next.sequences * this.#options.time;
    const at = next.slot * slotTokens * 16;
    target.tokens.set(new BigInt64Array(batches, at, count));
    target.targets.set(new BigInt64Array(batches, at + slotTokens * 8, count));
    this.#statistics.tokens += count;
    this.#free.push(next.slot);
    this.#request(this.#options.order.after(this.#ahead.at(-1)?.address ?? address));
    return next.sequences;
  }

  statistics(): FeedStatistics {
    return { ...this.#statistics };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  /** What is on its way is waited for: its slots are used again. */
  async #restart(address: BatchAddress): Promise<void> {
    for (const { slot } of this.#ahead.splice(0)) {
      await this.#settled(slot, false);
      this.#free.push(slot);
    }
    this.#request(address);
  }

  /** Until no slot is free. */
  #request(from: BatchAddress): void {
    const { order } = this.#options;
    let address = from;
    for (let slot = this.#free.shift(); slot !== undefined; slot = this.#free.shift()) {
      const sequences = order.sequencesOf(address);
      this.#states[slot * 2] = filling;
      this.#ahead.push({ address, slot, sequences: sequences.length });
      const request: FillRequest = { slot, sequences };
      this.#workers[this.#turn]?.postMessage(request);
      this.#turn = (this.#turn + 1) % this.#workers.length;
      address = order.after(address);
    }
  }

  async #settled(slot: number, isWanted: boolean): Promise<void> {
    const startedMs = performance.now();
    const wait = Atomics.waitAsync(this.#states, slot * 2, filling);
    if (wait.async) {
      if (isWanted) this.#statistics.lateBatches += 1;
      await Promise.race([wait.value, this.#failure.promise]);
      if (isWanted) this.#statistics.stallMs += performance.now() - startedMs;
    }
    const state = Atomics.load(this.#states, slot * 2);
    if (isWanted && (state === failed || state === filling)) throw await this.#failure.promise;
    this.#statistics.readMs += (this.#states[slot * 2 + 1] as number) / 1000;
  }

  #watched(worker: Worker): Worker {
    worker.on('message', ({ code, message, hint }: FillFailure) => {
      const error =
        code === undefined ? new Error(message) : new DataError(code as DataErrorCode, message, hint);
      this.#failure.resolve(error);
    });
    worker.on('error', (error) => this.#failure.resolve(error));
    worker.on('exit', () => {
      if (!this.#isClosing) this.#failure.resolve(new Error('a loader thread ended by itself'));
    });
    return worker;
  }
}
