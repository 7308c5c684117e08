/** All-reduces in which each pair of ranks speaks to each other directly: for links that are no copy. */
import { evenParts, piecesOf, type Part, type SharedWire, type Wire } from './wire.ts';

/** Ranks that write beside each other share no cache line. */
const lineElements = 16;

/**
 * Everybody sums its own part from all others, then takes their parts from them: the bytes of a ring, each once from
 * where it lies, with two waits instead of 2(n−1). Right where sending is no copy and links do not share a wire.
 */
export async function pairwiseAllReduce(wire: Wire, values: Float32Array): Promise<void> {
  const { index, size, shared } = wire;
  if (shared !== undefined) {
    await sharedAllReduce(wire, shared, values);
    return;
  }
  const parts = evenParts(values.length, size);
  const others = Array.from({ length: size - 1 }, (_, shift) => (index + shift + 1) % size);
  const sends: Promise<void>[] = [];
  const sendAll = (partOf: (to: number) => Part): void => {
    for (const to of others) {
      for (const { from, to: end } of piecesOf(partOf(to))) {
        const sent = wire.send(to, values.subarray(from, end));
        sent.catch(() => undefined);
        sends.push(sent);
      }
    }
  };
  sendAll((to) => parts[to] as Part);
  for (const { from, to } of piecesOf(parts[index] as Part)) {
    for (const other of others) {
      const received = await wire.receive(other, to - from);
      wire.add(values, received, from);
      wire.recycle(other, received);
    }
  }
  sendAll(() => parts[index] as Part);
  for (const other of others) {
    for (const { from, to } of piecesOf(parts[other] as Part)) {
      const received = await wire.receive(other, to - from);
      wire.copy(values, received, from);
      wire.recycle(other, received);
    }
  }
  await Promise.all(sends);
}

/**
 * Each rank lends its values to all others, and makes its part of the sum in everybody's memory at once: each element
 * is read from every rank and written to every rank one time, and nothing is copied. A rank has its values back when
 * all others have made their parts.
 */
async function sharedAllReduce(wire: Wire, shared: SharedWire, values: Float32Array): Promise<void> {
  const { index, size } = wire;
  const own = shared.within(values);
  const parts = evenParts(Math.ceil(values.length / lineElements), size).map(({ from, to }) => ({
    from: Math.min(values.length, from * lineElements),
    to: Math.min(values.length, to * lineElements),
  }));
  const lengthOf = (of: number): number => (parts[of] as Part).to - (parts[of] as Part).from;
  const others = Array.from({ length: size - 1 }, (_, shift) => (index + shift + 1) % size);
  const lent = others.map((to) => shared.lend(to, own, lengthOf(to) + lengthOf(index)));
  for (const loan of lent) loan.catch(() => undefined);
  const views = Array.from({ length: size }, () => own);
  for (const other of others) views[other] = await wire.receive(other, values.length);
  shared.sumAll(views, parts[index] as Part);
  for (const other of others) wire.recycle(other, views[other] as Float32Array);
  await Promise.all(lent);
  if (own === values) return;
  values.set(own);
  shared.release(own);
}
