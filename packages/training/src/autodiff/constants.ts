/** What masked attention and rotary positions need to know before any data arrives. */

export interface MaskOptions {
  readonly isCausal: boolean;
  /** ALiBi: of each head, what a score loses with each place of distance. */
  readonly slopes: readonly number[] | undefined;
}

export interface ScoreMask {
  /** Equal masks have equal keys. */
  readonly key: string;
  /** Axes before [queries, keys]: none, or the heads. */
  readonly leading: readonly number[];
  readonly make: () => Float32Array;
}

/** What is added to the scores of queries [from, to) over keys [0, keys); undefined when that is nothing. */
export function scoreMask(
  { from, to, keys }: { readonly from: number; readonly to: number; readonly keys: number },
  { isCausal, slopes }: MaskOptions,
): ScoreMask | undefined {
  if (!isCausal && slopes === undefined) return undefined;
  const heads = slopes ?? [0];
  return {
    key: `mask${isCausal ? 'causal' : ''}${from}-${to}-${keys}:${slopes?.join() ?? ''}`,
    leading: slopes === undefined ? [] : [heads.length],
    make: () =>
      Float32Array.from({ length: heads.length * (to - from) * keys }, (_, index) => {
        const key = index % keys;
        const query = from + (Math.floor(index / keys) % (to - from));
        if (isCausal && key > query) return -1e30;
        const slope = heads[Math.floor(index / (keys * (to - from)))] as number;
        return slope === 0 ? 0 : -slope * Math.abs(query - key);
      }),
  };
}

/** 2^(−8h/heads) for h from 1: a geometric series that ends at 2⁻⁸ (Press et al. 2022, §3). */
export function alibiSlopes(heads: number): number[] {
  return Array.from({ length: heads }, (_, index) => 2 ** ((-8 * (index + 1)) / heads));
}

/** cos and sin of position / theta^(2i / width), each [time, width / 2]. */
export function rotaryTables(
  time: number,
  width: number,
  theta: number,
): { cosines: Float32Array; sines: Float32Array } {
  const half = width / 2;
  const cosines = new Float32Array(time * half);
  const sines = new Float32Array(time * half);
  for (let position = 0; position < time; position += 1) {
    for (let index = 0; index < half; index += 1) {
      const angle = position / theta ** ((2 * index) / width);
      cosines[position * half + index] = Math.cos(angle);
      sines[position * half + index] = Math.sin(angle);
    }
  }
  return { cosines, sines };
}
