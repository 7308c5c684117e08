/** Tensor ranks that share out the residual stream by rows: the same training, less of the stream on each. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ofType, openTrainingScene, worstDifference, type TrainingScene } from '../testing/training-scene.ts';

const steps = 4;
const train = {
  depth: 2,
  width: 64,
  heads: 4,
  kvHeads: 2,
  hidden: 96,
  batchTokens: 8 * 16,
  steps,
  sampleEvery: 1000,
};

let scene: TrainingScene;
beforeEach(async () => {
  scene = await openTrainingScene();
});
afterEach(() => scene[Symbol.asyncDispose]());

const models: Readonly<Record<string, Record<string, unknown>>> = {
  llama: {},
  'gpt with biases, learned positions and its own head': { family: 'gpt', tied: false },
  experts: { experts: { count: 2, top: 1, capacityFactor: 1 } },
};
const layouts: readonly (readonly [number, Record<string, unknown>])[] = [
  [2, { tensor: 2 }],
  [2, { tensor: 2, microBatches: 2, recompute: 'layer' }],
  [4, { tensor: 2, data: 2, zero: 3 }],
  [4, { tensor: 2, pipeline: 2, microBatches: 2 }],
];

describe('sequence-parallel norms', () => {
  for (const [name, model] of Object.entries(models))
    it(`learn what one rank learns: ${name} (loss and weights 2e-5)`, async () => {
      const follow = async (run: string, ranks: number, parallel?: Record<string, unknown>) => {
        const { codes, reports, losses } = await scene.attempt({
          run,
          ranks,
          train: { ...train, model },
          ...(parallel && { parallel }),
        });
        expect(codes, run).toEqual(codes.map(() => 0));
        const sent = ofType(reports, 'metric').find(({ values }) => 'tensorSentBytes' in values)?.values;
        return { losses, weights: await scene.parametersAt(run, steps), sent: sent?.['tensorSentBytes'] };
      };
      const alone = await follow('alone', 1);
      for (const [ranks, layout] of name === 'llama' ? layouts : layouts.slice(0, 1)) {
        const run = JSON.stringify(layout);
        const { losses, weights, sent } = await follow(run, ranks, { ...layout, sequenceParallel: true });
        for (const [step, loss] of losses.entries())
          expect(Math.abs(loss - (alone.losses[step] as number)), `${run} ${step}`).toBeLessThan(2e-5);
        expect(worstDifference(weights, alone.weights), run).toBeLessThan(2e-5);
        expect(sent, run).toBeGreaterThan(0);
      }
    });

  it('send five quarters of what sums send: rows are gathered again on the way back', async () => {
    const sentBy = async (run: string, sequenceParallel: boolean): Promise<number> => {
      const parallel = { tensor: 2, sequenceParallel };
      const { reports } = await scene.attempt({ run, ranks: 2, train, parallel });
      const found = ofType(reports, 'metric').find(({ values }) => 'tensorSentBytes' in values);
      return found?.values['tensorSentBytes'] as number;
    };
    const [summed, cut] = [await sentBy('summed', false), await sentBy('cut', true)];
    // Beside it: the ends' rows, gathered once each way, and the norms' gradients.
    const ends = 2 * steps * 8 * 16 * train.width * 4 * 0.5;
    expect(cut / summed).toBeGreaterThan(1.2);
    expect((cut - ends) / summed).toBeLessThan(1.26);
  });

  it('are refused where a micro-batch’s tokens do not divide', async () => {
    const { codes, reports } = await scene.attempt({
      run: 'no',
      ranks: 4,
      train: { ...train, sequenceLength: 15, batchTokens: 15 * 5 },
      parallel: { tensor: 4, microBatches: 5, sequenceParallel: true },
    });
    expect(codes[0]).toBe(64);
    expect(ofType(reports, 'fault')[0]).toMatchObject({
      code: 'bad_layout',
      hint: 'Choose train.sequenceLength as a multiple of 4.',
    });
  });
});
