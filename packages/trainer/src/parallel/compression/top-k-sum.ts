/**
 * Only the largest gradients are sent, each with its place; what is left out is kept and added to the next step's
 * (Stich et al. 2018; Lin et al. 2018, §3.1), so nothing is lost, only late.
 */
import type { ProcessGroup } from '../../group/index.ts';
import { share, type GradientSum } from '../gradient-sum/gradient-sum.ts';

export class TopKSum implements GradientSum {
  leftOut = 0;
  readonly #group: ProcessGroup;
  readonly #count: number;
  readonly owed: Float32Array;

  constructor(group: ProcessGroup, length: number, ratio: number) {
    this.#group = group;
    this.#count = Math.max(1, Math.round(length * ratio));
    this.owed = new Float32Array(length);
  }

  async sum(values: Float32Array): Promise<void> {
    const { size, index } = this.#group;
    const { owed } = this;
    let whole = 0;
    for (const [at, value] of values.entries()) {
      const now = (owed[at] as number) + value;
      owed[at] = now;
      whole += now ** 2;
    }
    const places = largestPlaces(owed, this.#count);
    const length = 2 * this.#count;
    const all = new Float32Array(length * size);
    const own = all.subarray(length * index, length * (index + 1));
    new Uint32Array(own.buffer, own.byteOffset, this.#count).set(places);
    let sent = 0;
    for (const [at, place] of places.entries()) {
      const value = owed[place] as number;
      own[this.#count + at] = value;
      owed[place] = 0;
      sent += value ** 2;
    }
    this.leftOut = share(Math.max(0, whole - sent), whole);
    const ranks = Array.from({ length: size }, (_, rank) => rank);
    await this.#group.allGather(
      all,
      ranks.map((rank) => ({ from: length * rank, to: length * (rank + 1) })),
    );
    values.fill(0);
    for (const rank of ranks) {
      const theirs = all.subarray(length * rank, length * (rank + 1));
      const at = new Uint32Array(theirs.buffer, theirs.byteOffset, this.#count);
      for (let one = 0; one < this.#count; one += 1) {
        const place = at[one] as number;
        values[place] = (values[place] as number) + (theirs[this.#count + one] as number);
      }
    }
  }
}

/**
 * Places of the `count` largest by size. A float without its sign is ordered as its bits are: the upper half of the
 * bits is counted, and what shares the last one is taken in order of its places.
 */
export function largestPlaces(values: Float32Array, count: number): Uint32Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const counts = new Uint32Array(2 ** 15);
  for (const one of bits) {
    const bucket = (one & 0x7fffffff) >>> 16;
    counts[bucket] = (counts[bucket] as number) + 1;
  }
  let bucket = counts.length - 1;
  let above = 0;
  while (bucket > 0 && above + (counts[bucket] as number) < count) {
    above += counts[bucket] as number;
    bucket -= 1;
  }
  const places = new Uint32Array(count);
  let left = count - above;
  let found = 0;
  for (const [place, one] of bits.entries()) {
    const own = (one & 0x7fffffff) >>> 16;
    if (own < bucket || (own === bucket && left === 0)) continue;
    if (own === bucket) left -= 1;
    places[found] = place;
    found += 1;
  }
  return places;
}
