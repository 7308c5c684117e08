import type { BatchFeed } from '../data/index.ts';
import type { TrainingPlan } from '../rank/training-plan.ts';

/** Tokens by number, the same every time: nothing is read and nothing waits. */
export function madeUpFeed(
  vocabularySize: number,
  { microSequences, time }: Pick<TrainingPlan, 'microSequences' | 'time'>,
): BatchFeed {
  return {
    load: async (_address, { tokens, targets }) => {
      for (let at = 0; at < microSequences * time; at += 1) {
        tokens[at] = BigInt((at * 7) % vocabularySize);
        targets[at] = BigInt((at * 5) % vocabularySize);
      }
      return Promise.resolve(microSequences);
    },
    statistics: () => ({ tokens: 0, readMs: 0, stallMs: 0, lateBatches: 0 }),
    [Symbol.asyncDispose]: async () => {},
  };
}
