/**
 * What ranks that are threads of one process share: one memory, of which each has a region, and a ring of messages
 * from each to each. A message says where in the memory its bytes lie; nothing is copied on the way.
 */
import { wasmPageBytes, wasmPageLimit, webAssembly, type WasmMemory } from '../memory/index.ts';

export interface ThreadMeeting {
  readonly size: number;
  readonly memory: WasmMemory;
  readonly regionBytes: number;
  /** Of each ordered pair of ranks, int32. */
  readonly rings: SharedArrayBuffer;
  /** Of each rank: 0, `joined` or `gone`. */
  readonly presence: SharedArrayBuffer;
}

export const presence = { absent: 0, joined: 1, gone: 2 } as const;

/** Messages on their way; more wait at the sender. */
export const ringSlots = 256;
/** Kind, channel, number, address, bytes, id. */
export const slotWords = 6;
/** Messages written and messages read, ever (they wrap around like all int32). */
export const ringWords = { written: 0, read: 1, slots: 2 } as const;
const wordsOfRing = ringWords.slots + ringSlots * slotWords;

/** Can be handed to threads as `workerData`. A region is as large as can be unless told; untouched pages cost nothing. */
export function createThreadMeeting(size: number, wantedBytes = Number.POSITIVE_INFINITY): ThreadMeeting {
  // Not the very last page: the end of a buffer must have an address too.
  const most = Math.floor((wasmPageLimit - 1) / size);
  const pages = Math.min(most, Math.ceil(wantedBytes / wasmPageBytes));
  return {
    size,
    memory: new webAssembly.Memory({ initial: pages * size, maximum: pages * size, shared: true }),
    regionBytes: pages * wasmPageBytes,
    rings: new SharedArrayBuffer(size * size * wordsOfRing * 4),
    presence: new SharedArrayBuffer(size * 4),
  };
}

export function ringOf(
  { rings, size }: ThreadMeeting,
  from: number,
  to: number,
): Int32Array<SharedArrayBuffer> {
  return new Int32Array(rings, (from * size + to) * wordsOfRing * 4, wordsOfRing);
}

/** For who started the thread and saw it end. */
export function markGone(meeting: ThreadMeeting, rank: number): void {
  Atomics.store(new Int32Array(meeting.presence), rank, presence.gone);
  for (let to = 0; to < meeting.size; to += 1) Atomics.notify(ringOf(meeting, rank, to), ringWords.written);
}

/** Until all have come; answers who has not. */
export async function meet(meeting: ThreadMeeting, rank: number, deadlineMs: number): Promise<number[]> {
  const states = new Int32Array(meeting.presence);
  Atomics.store(states, rank, presence.joined);
  Atomics.notify(states, rank);
  // A wait for another thread keeps none alive by itself.
  const alive = setInterval(() => undefined, 1 << 30);
  const absent: number[] = [];
  for (let of = 0; of < meeting.size; of += 1) {
    const wait = Atomics.waitAsync(states, of, presence.absent, Math.max(0, deadlineMs - Date.now()));
    if (wait.async) await wait.value;
    if (Atomics.load(states, of) !== presence.joined) absent.push(of);
  }
  clearInterval(alive);
  return absent;
}
