/**
 * The bounded buffer between loader threads and a rank: slots of one micro-batch each in shared memory. A slot is
 * given out again only after the rank has taken what was in it, so threads never run further ahead than there are slots.
 */
import type { SequenceRows } from '../shard-set.ts';

export interface SlotMemory {
  /** Of each slot: its state, and the microseconds that filling took. */
  readonly states: SharedArrayBuffer;
  /** Of each slot: tokens, then targets, [slotTokens] int64 each. */
  readonly batches: SharedArrayBuffer;
  readonly slotTokens: number;
}

export const slotStates = { filling: 0, ready: 1, failed: 2 } as const;

export function createSlotMemory(slots: number, slotTokens: number): SlotMemory {
  return {
    states: new SharedArrayBuffer(slots * 8),
    batches: new SharedArrayBuffer(slots * slotTokens * 16),
    slotTokens,
  };
}

export function rowsOf({ batches, slotTokens }: SlotMemory, slot: number): SequenceRows {
  const at = slot * slotTokens * 16;
  return {
    tokens: new Uint32Array(batches, at, slotTokens * 2),
    targets: new Uint32Array(batches, at + slotTokens * 8, slotTokens * 2),
  };
}
