/** A thread that reads the sequences it is told into the slot it is told, and says so by the slot's state. */
import { parentPort, workerData } from 'node:worker_threads';
import { DataError } from '../data-error.ts';
import { ShardSet } from '../shard-set.ts';
import type { TokenShard } from '../token-shard.ts';
import { rowsOf, slotStates, type SlotMemory } from './slot-memory.ts';

export interface LoaderThreadData {
  readonly shards: readonly TokenShard[];
  readonly time: number;
  readonly memory: SlotMemory;
  readonly isArriving: boolean;
}

export interface FillRequest {
  readonly slot: number;
  readonly sequences: readonly number[];
}

/** Goes with a slot whose state is `failed`. */
export interface FillFailure {
  readonly code: string | undefined;
  readonly message: string;
  readonly hint: string;
}

const { shards, time, memory, isArriving } = workerData as LoaderThreadData;
const set = new ShardSet(shards, time, isArriving);
const states = new Int32Array(memory.states);

parentPort?.on('message', ({ slot, sequences }: FillRequest) => {
  const startedMs = performance.now();
  const rows = rowsOf(memory, slot);
  let end: number = slotStates.ready;
  try {
    for (const [row, sequence] of sequences.entries()) set.fill(sequence, rows, row);
  } catch (error) {
    end = slotStates.failed;
    const failure: FillFailure =
      error instanceof DataError
        ? { code: error.code, message: error.message, hint: error.hint }
        : { code: undefined, message: String(error), hint: '' };
    parentPort?.postMessage(failure);
  }
  states[slot * 2 + 1] = Math.round((performance.now() - startedMs) * 1000);
  Atomics.store(states, slot * 2, end);
  Atomics.notify(states, slot * 2);
});
