/**
 * Collectives over point-to-point messages. The ring moves 2(n−1)/n of the bytes a rank and forwards each piece as
 * soon as it is added; halving-doubling (Thakur et al. 2005, §4.4) needs 2·log₂ n messages, the double tree about as
 * many for any number of ranks; direct needs one round. In all of them every element is added up by one rank or in
 * one order, so all ranks hold the same bits.
 */
import { doubleTreeAllReduce } from './double-tree.ts';
import { pairwiseAllReduce } from './pairwise.ts';
import { evenParts, piecesOf, type Part, type Wire } from './wire.ts';

interface RingVisit {
  readonly part: number;
  readonly isAdded: boolean;
}

/** Sends part `first` to the next rank, then takes `visits` from the one before, handing each on but the last. */
async function ring(
  wire: Wire,
  values: Float32Array,
  parts: readonly Part[],
  first: number,
  visits: readonly RingVisit[],
): Promise<void> {
  const { index, size } = wire;
  const next = (index + 1) % size;
  const previous = (index + size - 1) % size;
  const partOf = (part: number): Part => parts[((part % size) + size) % size] as Part;
  const sends: Promise<void>[] = [];
  const send = ({ from, to }: Part): void => {
    const sent = wire.send(next, values.subarray(from, to));
    // The link reports the loss too; until the end of the ring this rejection has no other owner.
    sent.catch(() => undefined);
    sends.push(sent);
  };
  // A piece comes back only after it has gone through all: what lies there has left by then.
  const arrivals = visits.flatMap(({ part, isAdded }, step) =>
    piecesOf(partOf(part)).map((piece) => ({
      piece,
      isLast: step === visits.length - 1,
      arrived: wire.expect(previous, values.subarray(piece.from, piece.to), isAdded),
    })),
  );
  for (const piece of piecesOf(partOf(first))) send(piece);
  for (const { piece, isLast, arrived } of arrivals) {
    await arrived();
    if (!isLast) send(piece);
  }
  await Promise.all(sends);
}

const reducing = ({ index, size }: Wire): RingVisit[] =>
  Array.from({ length: size - 1 }, (_, step) => ({ part: index - 2 - step, isAdded: true }));
const gathering = ({ index, size }: Wire): RingVisit[] =>
  Array.from({ length: size - 1 }, (_, step) => ({ part: index - 1 - step, isAdded: false }));

/** Afterwards `parts[index]` holds the sum; the other parts hold partial sums. */
export async function ringReduceScatter(
  wire: Wire,
  values: Float32Array,
  parts: readonly Part[],
): Promise<void> {
  await ring(wire, values, parts, wire.index - 1, reducing(wire));
}

/** Every rank has `parts[index]`; afterwards all have all. */
export async function ringAllGather(wire: Wire, values: Float32Array, parts: readonly Part[]): Promise<void> {
  await ring(wire, values, parts, wire.index, gathering(wire));
}

async function ringAllReduce(wire: Wire, values: Float32Array): Promise<void> {
  const parts = evenParts(values.length, wire.size);
  await ring(wire, values, parts, wire.index - 1, [...reducing(wire), ...gathering(wire)]);
}

/** Everybody sends all to everybody and adds in the order of the ranks. */
async function directAllReduce(wire: Wire, values: Float32Array): Promise<void> {
  const { index, size } = wire;
  const own = values.slice();
  const sends: Promise<void>[] = [];
  for (let to = 0; to < size; to += 1) if (to !== index) sends.push(wire.send(to, own));
  for (const sent of sends) sent.catch(() => undefined);
  values.fill(0);
  for (let from = 0; from < size; from += 1) {
    if (from === index) {
      wire.add(values, own, 0);
      continue;
    }
    const received = await wire.receive(from, values.length);
    wire.add(values, received, 0);
    wire.recycle(from, received);
  }
  await Promise.all(sends);
}

/** For powers of two: halves are exchanged with ever nearer partners, then gathered back the same way. */
async function halvingDoublingAllReduce(wire: Wire, values: Float32Array): Promise<void> {
  const { index, size } = wire;
  let held: Part = { from: 0, to: values.length };
  const path: { readonly partner: number; readonly kept: Part; readonly given: Part }[] = [];
  for (let distance = size / 2; distance >= 1; distance /= 2) {
    const partner = index ^ distance;
    const middle = held.from + Math.floor((held.to - held.from) / 2);
    const halves = [
      { from: held.from, to: middle },
      { from: middle, to: held.to },
    ] as const;
    const [kept, given] = index < partner ? halves : ([halves[1], halves[0]] as const);
    await exchange(wire, partner, values.subarray(given.from, given.to), kept, (received) => {
      wire.add(values, received, kept.from);
    });
    path.push({ partner, kept, given });
    held = kept;
  }
  for (const { partner, kept, given } of path.toReversed()) {
    await exchange(wire, partner, values.subarray(kept.from, kept.to), given, (received) => {
      wire.copy(values, received, given.from);
    });
  }
}

async function exchange(
  wire: Wire,
  partner: number,
  out: Float32Array,
  into: Part,
  take: (received: Float32Array) => void,
): Promise<void> {
  const sent = wire.send(partner, out);
  sent.catch(() => undefined);
  const received = await wire.receive(partner, into.to - into.from);
  take(received);
  wire.recycle(partner, received);
  await sent;
}

export const allReduceAlgorithms = {
  ring: ringAllReduce,
  direct: directAllReduce,
  'halving-doubling': halvingDoublingAllReduce,
  'double-tree': doubleTreeAllReduce,
  pairwise: pairwiseAllReduce,
} as const;
export type AllReduceAlgorithm = keyof typeof allReduceAlgorithms;

/**
 * Least processor time of all ranks together, measured on Unix sockets with 4, 5, 6 and 8 ranks of 1 to 256 thousand
 * elements (docs/training.md has the table); in shared memory by 40 MB over 2 and 4 threads.
 */
export function chooseAllReduce(elements: number, size: number, isShared: boolean): AllReduceAlgorithm {
  if (isShared && elements >= 32_768) return 'pairwise';
  const isPowerOfTwo = (size & (size - 1)) === 0;
  if (size < 4) return elements <= 4096 ? 'direct' : 'ring';
  if (elements <= 1024 && size === 4) return 'direct';
  if (elements >= 262_144) return 'ring';
  return elements >= 32_768 && isPowerOfTwo && size === 4 ? 'halving-doubling' : 'double-tree';
}

/** From `root` along the ring, piece by piece. */
export async function ringBroadcast(wire: Wire, values: Float32Array, root: number): Promise<void> {
  const { index, size } = wire;
  const next = (index + 1) % size;
  const previous = (index + size - 1) % size;
  const sends: Promise<void>[] = [];
  for (const { from, to } of piecesOf({ from: 0, to: values.length })) {
    if (index !== root) {
      const received = await wire.receive(previous, to - from);
      wire.copy(values, received, from);
      wire.recycle(previous, received);
    }
    if (next === root) continue;
    const sent = wire.send(next, values.subarray(from, to));
    sent.catch(() => undefined);
    sends.push(sent);
  }
  await Promise.all(sends);
}

/** `out[i]` goes to rank i; `into[i]` comes from it. Lengths may differ, also by pair. */
export async function directAllToAll(
  wire: Wire,
  out: readonly Float32Array[],
  into: readonly Float32Array[],
): Promise<void> {
  const { index, size } = wire;
  const sends: Promise<void>[] = [];
  for (let shift = 1; shift < size; shift += 1) {
    const to = (index + shift) % size;
    const sent = wire.send(to, out[to] as Float32Array);
    sent.catch(() => undefined);
    sends.push(sent);
  }
  into[index]?.set(out[index] as Float32Array);
  for (let shift = 1; shift < size; shift += 1) {
    const from = (index + size - shift) % size;
    const target = into[from] as Float32Array;
    const received = await wire.receive(from, target.length);
    target.set(received);
    wire.recycle(from, received);
  }
  await Promise.all(sends);
}
