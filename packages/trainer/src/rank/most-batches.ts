/** How far `train.adaptBatch` lets a batch grow, and whether what it follows can be seen in this layout. */
import type { ParallelSizes } from '@gantry/training/parallel';
import type { TrainingJob } from './training-job.ts';
import { UserFault } from './user-fault.ts';

/** The noise of gradients is seen where ranks have whole ones of their own. */
export function mostBatchesOf(
  { train, parallel }: TrainingJob,
  { data, tensor, pipeline, expert = 1 }: ParallelSizes,
  batchTokens: number,
): number | undefined {
  const { adaptBatch } = train;
  if (adaptBatch === undefined) return undefined;
  const { zero = 0, overlap = false } = parallel ?? {};
  const inTheWay = [
    [tensor > 1, `tensor ${tensor}`],
    [pipeline > 1, `pipeline ${pipeline}`],
    [expert > 1, `expert ${expert}`],
    [zero > 1, `zero ${zero}`],
    [overlap && data > 1, 'overlap'],
  ] as const;
  const found = inTheWay.find(([is]) => is);
  if (found !== undefined)
    throw new UserFault(
      'bad_layout',
      `train.adaptBatch follows the noise of gradients, which is not seen with parallel.${found[1]}.`,
      'Use data-parallel ranks with zero 0 or 1 and without overlap, or leave adaptBatch out.',
    );
  if (adaptBatch.maximumTokens < 2 * batchTokens)
    throw new UserFault(
      'bad_spec',
      `adaptBatch.maximumTokens ${adaptBatch.maximumTokens} leaves a batch of ${batchTokens} no room to double.`,
      `Set it to ${2 * batchTokens} or more.`,
    );
  return Math.floor(adaptBatch.maximumTokens / batchTokens);
}
