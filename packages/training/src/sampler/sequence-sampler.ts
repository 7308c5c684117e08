/**
 * Which sequence of the data is read when: a permutation per epoch, decided by the seed alone. Position p is
 * the p-th sequence since the start of training, so any world size and any resume read the same order.
 */
import { createRandom } from '@gantry/kit';

export interface SequenceSampler {
  readonly sequencesPerEpoch: number;
  epochOf(position: number): number;
  /** Index of the sequence (of `sequenceLength` tokens) to read at `position`. */
  sequenceAt(position: number): number;
}

export function createSequenceSampler(sequencesPerEpoch: number, seed: number): SequenceSampler {
  if (sequencesPerEpoch < 1) throw new RangeError('a sampler needs at least one sequence');
  const epochOf = (position: number): number => Math.floor(position / sequencesPerEpoch);
  let epoch = -1;
  let order = new Uint32Array(0);
  return {
    sequencesPerEpoch,
    epochOf,
    sequenceAt: (position) => {
      const wanted = epochOf(position);
      if (wanted !== epoch) {
        order = permutation(sequencesPerEpoch, (seed ^ Math.imul(wanted + 1, 0x9e3779b1)) >>> 0);
        epoch = wanted;
      }
      return order[position - wanted * sequencesPerEpoch] as number;
    },
  };
}

/** Fisher and Yates. */
export function permutation(length: number, seed: number): Uint32Array<ArrayBuffer> {
  const random = createRandom(seed);
  const order = Uint32Array.from({ length }, (_, index) => index);
  for (let index = length - 1; index > 0; index -= 1) {
    const other = random.below(index + 1);
    const kept = order[index] as number;
    order[index] = order[other] as number;
    order[other] = kept;
  }
  return order;
}

/**
 * The part of a global batch that a rank computes: consecutive positions, as even as whole sequences allow.
 * A rank with nothing (more ranks than sequences) gets an empty part and only takes part in the sums.
 */
export function rankPart(
  globalSequences: number,
  rank: number,
  worldSize: number,
): { from: number; to: number } {
  return {
    from: Math.floor((globalSequences * rank) / worldSize),
    to: Math.floor((globalSequences * (rank + 1)) / worldSize),
  };
}
