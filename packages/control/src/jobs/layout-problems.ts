/** A training whose model does not divide among its ranks is refused before it waits for them. */
import type { ErrorProblem, JobSpec } from '@gantry/contract';
import { ShapeError } from '@gantry/training/model';
import { checkAskedLayout, worldSizeOf } from '@gantry/training/parallel';
import { rankCount } from './rank-groups.ts';

const decoderRecipes: readonly string[] = ['language-model', 'masked-language-model'];

/** With the sentence and the hint that its ranks would end with. */
export function layoutProblems(spec: JobSpec): readonly ErrorProblem[] {
  const { train, parallel } = spec;
  if (train === undefined || !decoderRecipes.includes(train.recipe)) return [];
  const isOneProcess = parallel?.ranksAs === 'threads';
  try {
    checkAskedLayout(train, parallel, isOneProcess ? worldSizeOf(parallel) : rankCount(spec));
    return [];
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    return [
      { path: parallel === undefined ? 'train' : 'parallel', message: error.message, hint: error.hint },
    ];
  }
}
