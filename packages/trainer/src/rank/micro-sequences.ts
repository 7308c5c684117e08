/** How a rank's share of a batch is cut into graph runs. */
import { countOf } from '@gantry/kit';
import type { ParallelSizes } from '@gantry/training/parallel';
import { UserFault } from './user-fault.ts';

/** Bounds the activations of one run: about 100 bytes per token and hidden unit (notes: 83 MB a layer at 2,048 × 384). */
const microTokens = 4096;

/** Sequences of one run, of the `perRank` that a rank has each step; `wanted` is how many runs the job asks for. */
export function chooseMicroSequences(
  perRank: number,
  time: number,
  { pipeline, chunks = 1 }: Pick<ParallelSizes, 'pipeline' | 'chunks'>,
  wanted: number | undefined,
): number {
  if (wanted !== undefined) {
    if (wanted > perRank) {
      throw new UserFault(
        'bad_spec',
        `${wanted} micro-batches are more than the ${countOf(perRank, 'sequence')} that a rank has each step.`,
        `Set parallel.microBatches to ${perRank} or less, or raise train.batchTokens.`,
      );
    }
    return Math.ceil(perRank / wanted);
  }
  const fitting = Math.max(1, Math.min(perRank, Math.floor(microTokens / time)));
  if (pipeline === 1) return fitting;
  // Four micro-batches a stage keep the bubble of a pipeline below a fifth, where there are that many sequences.
  const filling = Math.min(fitting, Math.max(1, Math.floor(perRank / (4 * pipeline))));
  if (chunks === 1) return filling;
  // Interleaved stages take micro-batches in their own number: the largest that gives a multiple of it, if any does.
  const sizes = Array.from({ length: fitting }, (_, index) => index + 1);
  const isWhole = (size: number): boolean => Math.ceil(perRank / size) % pipeline === 0;
  return sizes.findLast((size) => size <= filling && isWhole(size)) ?? sizes.find(isWhole) ?? filling;
}
