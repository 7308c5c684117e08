/** The smallest language model worth killing: a step takes milliseconds, yet it has everything a large one has. */
import type { JobSpecInput } from '@gantry/contract';

type Training = NonNullable<JobSpecInput['train']>;

export const tinyTraining = (change: Partial<Training> = {}): Training => ({
  recipe: 'language-model',
  data: ['*.txt'],
  depth: 1,
  steps: 12,
  sequenceLength: 16,
  batchTokens: 64,
  vocabularySize: 270,
  width: 16,
  heads: 2,
  kvHeads: 2,
  ...change,
});
