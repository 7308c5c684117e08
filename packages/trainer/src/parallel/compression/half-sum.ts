/**
 * Sums in 16 bits: each rank gets one part from all others, adds it up in 32 bits and sends the sum to all; what is
 * sent is rounded both times, so half as much goes out as in a ring of floats.
 */
import type { ProcessGroup } from '../../group/index.ts';
import { share, type GradientSum } from '../gradient-sum/gradient-sum.ts';

type HalfKind = 'bf16' | 'fp16';

export class HalfSum implements GradientSum {
  leftOut = 0;
  readonly #group: ProcessGroup;
  readonly #kind: HalfKind;

  constructor(group: ProcessGroup, kind: HalfKind) {
    this.#group = group;
    this.#kind = kind;
  }

  async sum(values: Float32Array): Promise<void> {
    const { size, index } = this.#group;
    // Even, for two halves travel as one float.
    const length = 2 * Math.ceil(values.length / size / 2);
    const part = (rank: number): Float32Array =>
      values.subarray(Math.min(values.length, rank * length), Math.min(values.length, (rank + 1) * length));
    const ranks = Array.from({ length: size }, (_, rank) => rank);
    const out = ranks.map((rank) => pack(part(rank), length, this.#kind));
    this.leftOut = share(...roundingOf(values, out, length, this.#kind));
    const into = ranks.map(() => new Float32Array(length / 2));
    await this.#group.allToAll(out, into);
    const total = new Float32Array(length);
    for (const rank of ranks) {
      const theirs = unpack((rank === index ? out[index] : into[rank]) as Float32Array, this.#kind);
      for (const [at, value] of theirs.entries()) total[at] = (total[at] as number) + value;
    }
    const all = new Float32Array((length / 2) * size);
    all.set(pack(total, length, this.#kind), (length / 2) * index);
    await this.#group.allGather(
      all,
      ranks.map((rank) => ({ from: (rank * length) / 2, to: ((rank + 1) * length) / 2 })),
    );
    values.set(unpack(all, this.#kind).subarray(0, values.length));
  }
}

/** `length` halves, zeros behind the values, as half as many floats. */
function pack(values: Float32Array, length: number, kind: HalfKind): Float32Array {
  const packed = new Float32Array(length / 2);
  if (kind === 'fp16') new Float16Array(packed.buffer).set(values);
  else {
    const halves = new Uint16Array(packed.buffer);
    const bits = new Uint32Array(Float32Array.from(values).buffer);
    // To the nearest, ties to even. Infinite stays infinite; a NaN whose high bits are clear must not become so.
    for (const [at, own] of bits.entries()) {
      const isNaN = (own & 0x7fffffff) > 0x7f800000;
      halves[at] = isNaN ? 0x7fc0 : (own + 0x7fff + ((own >>> 16) & 1)) >>> 16;
    }
  }
  return packed;
}

function unpack(packed: Float32Array, kind: HalfKind): Float32Array {
  const { buffer, byteOffset, length } = packed;
  if (kind === 'fp16') return Float32Array.from(new Float16Array(buffer, byteOffset, length * 2));
  const halves = new Uint16Array(buffer, byteOffset, length * 2);
  return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
}

function roundingOf(
  values: Float32Array,
  parts: readonly Float32Array[],
  length: number,
  kind: HalfKind,
): [number, number] {
  let [lost, whole] = [0, 0];
  for (const [rank, part] of parts.entries()) {
    const rounded = unpack(part, kind);
    const from = rank * length;
    for (let at = from; at < Math.min(values.length, from + length); at += 1) {
      const value = values[at] as number;
      lost += (value - (rounded[at - from] as number)) ** 2;
      whole += value ** 2;
    }
  }
  return [lost, whole];
}
