/** Every way to spread one model over ranks learns the same: one committed trajectory, one bound for all. */
import { rm } from 'node:fs/promises';
import { transformerShape } from '@gantry/training/model';
import { gridAt, stageLayout } from '@gantry/training/parallel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  ofType,
  openTrainingScene,
  worstDifference,
  type AttemptOptions,
  type TrainingScene,
} from '../testing/training-scene.ts';

/** Loss of each step on one rank, as of the commit that added it; another machine's kernels may round otherwise. */
const committed = [5.632962, 5.237125, 4.923075, 4.746795, 4.636957, 4.565076, 4.493217, 4.473105];
const lossTolerance = 2e-5;
/** Between layouts on one machine: float32 sums in another order, 8 steps of Adam on weights of 0.02 to 1. */
const weightTolerance = 2e-5;

const steps = 8;
const sequences = 8;
const time = 16;
const model = { depth: 2, width: 64, heads: 4, kvHeads: 2, hidden: 96 };
const train = { ...model, sequenceLength: time, batchTokens: sequences * time, steps, sampleEvery: 1000 };

let scene: TrainingScene;
beforeEach(async () => {
  scene = await openTrainingScene();
});
afterEach(() => scene[Symbol.asyncDispose]());

async function follow(run: string, options: AttemptOptions = {}) {
  const { codes, reports, losses } = await scene.attempt({
    run,
    checkpoint: { everySteps: 4, keep: 9 },
    ...options,
    train: { ...train, ...options.train },
  });
  expect(codes).toEqual(codes.map(() => 0));
  const [facts] = ofType(reports, 'facts');
  return { losses, facts: facts?.values ?? {}, sent: ofType(reports, 'metric').at(-1)?.values ?? {} };
}

function expectCommitted(losses: readonly number[], from = 0): void {
  expect(losses.length).toBe(steps - from);
  for (const [index, loss] of losses.entries())
    expect(Math.abs(loss - (committed[from + index] as number)), `step ${from + index + 1}`).toBeLessThan(
      lossTolerance,
    );
}

const layouts: Readonly<Record<string, { ranks: number; parallel: Record<string, unknown> }>> = {
  'eight micro-batches': { ranks: 1, parallel: { microBatches: 8 } },
  'recomputed activations': { ranks: 1, parallel: { recompute: 'layer' } },
  'data 2': { ranks: 2, parallel: { data: 2 } },
  'data 4': { ranks: 4, parallel: { data: 4 } },
  'tensor 2': { ranks: 2, parallel: { tensor: 2 } },
  'pipeline 2, naive': { ranks: 2, parallel: { pipeline: 2, schedule: 'naive', microBatches: 4 } },
  'pipeline 2, GPipe': { ranks: 2, parallel: { pipeline: 2, schedule: 'gpipe', microBatches: 4 } },
  'pipeline 2, 1F1B': { ranks: 2, parallel: { pipeline: 2, schedule: '1f1b', microBatches: 4 } },
  'ZeRO 1 over 2': { ranks: 2, parallel: { data: 2, zero: 1 } },
  'ZeRO 2 over 3, two micro-batches': { ranks: 3, parallel: { data: 3, zero: 2, microBatches: 2 } },
  'ZeRO 3 over 2': { ranks: 2, parallel: { data: 2, zero: 3 } },
  'ZeRO 1 over 2, moments in a file': {
    ranks: 2,
    parallel: { data: 2, zero: 1, offload: { chunkElements: 2048 } },
  },
  'ZeRO 3 over 2, parameters and moments in a file': {
    ranks: 2,
    parallel: { data: 2, zero: 3, offload: { parameters: true, chunkElements: 5000, buffers: 2 } },
  },
  'data 2 × tensor 2': { ranks: 4, parallel: { data: 2, tensor: 2 } },
  'data 2 × tensor 2 × pipeline 2 with ZeRO 1': {
    ranks: 8,
    parallel: { data: 2, tensor: 2, pipeline: 2, zero: 1, microBatches: 2 },
  },
  'data 2 × pipeline 2 with ZeRO 3': {
    ranks: 4,
    parallel: { data: 2, pipeline: 2, zero: 3, microBatches: 2 },
  },
};

describe('the committed trajectory', () => {
  it(`is followed by every layout (loss within ${lossTolerance}, weights of all within ${weightTolerance})`, async () => {
    const alone = await follow('alone');
    expectCommitted(alone.losses);
    const weights = await scene.parametersAt('alone', steps);
    for (const [name, layout] of Object.entries(layouts)) {
      const { losses } = await follow(name, layout);
      expectCommitted(losses);
      expect(worstDifference(await scene.parametersAt(name, steps), weights), name).toBeLessThan(
        weightTolerance,
      );
    }
  });

  it('goes on from a checkpoint of any layout in any other', async () => {
    const chain = [
      'ZeRO 3 over 2, parameters and moments in a file',
      'data 2 × tensor 2',
      'data 2 × pipeline 2 with ZeRO 3',
      'ZeRO 1 over 2, moments in a file',
    ];
    const checkpoint = { everySteps: 2, keep: 9 };
    await follow('chain', { ...layouts['pipeline 2, 1F1B'], checkpoint });
    const weights = await scene.parametersAt('chain', steps);
    for (const [index, name] of chain.entries()) {
      // Each begins from what the one before has written at this step.
      const from = Math.min(6, 2 * (index + 1));
      for (let step = from + 2; step <= steps; step += 2)
        await rm(scene.checkpointAt('chain', step), { recursive: true });
      const { losses, facts } = await follow('chain', { ...layouts[name], checkpoint });
      expect(facts['resumedFromStep'], name).toBe(from);
      expectCommitted(losses, from);
      expect(worstDifference(await scene.parametersAt('chain', steps), weights), name).toBeLessThan(
        weightTolerance,
      );
    }
  });
});

describe('a sequence long enough for attention in blocks', () => {
  it('is learnt alike whole, in stages, by columns', async () => {
    const long = { sequenceLength: 256, batchTokens: 512, steps: 3, validationFraction: 0 };
    const options = { train: long, checkpoint: { everySteps: 3 } };
    await follow('whole', options);
    const weights = await scene.parametersAt('whole', long.steps);
    for (const name of ['ZeRO 3 over 2', 'tensor 2']) {
      await follow(name, { ...options, ...layouts[name] });
      const difference = worstDifference(await scene.parametersAt(name, long.steps), weights);
      expect(difference, name).toBeLessThan(weightTolerance);
    }
  });
});

describe('bytes', () => {
  const sizes = { data: 2, tensor: 1, pipeline: 1 };
  // 270 tokens are asked for; the tokenizer may end with fewer.
  const wholeLayout = (vocabularySize: number) =>
    stageLayout(transformerShape({ ...model, sequenceLength: time, vocabularySize }), gridAt(sizes, 0));

  it('that a rank keeps are what ZeRO says: 1/n of the moments, of the gradients, of the parameters', async () => {
    for (const zero of [0, 1, 2, 3]) {
      const { facts } = await follow(`zero-${zero}`, {
        ranks: 2,
        parallel: { data: 2, zero },
        train: { steps: 1 },
      });
      const all = wholeLayout(Number(facts['vocabularySize'])).length * 4;
      const share = (stage: number): number => (zero >= stage ? all / 2 : all);
      expect(facts).toMatchObject({
        optimiserBytes: 2 * share(1),
        gradientBytes: share(2),
        parameterBytes: share(3),
      });
    }
  });

  it('that a rank sends are what the formulas say', async () => {
    const few = { steps: 2 };
    const rows = sequences * time;
    const boundary = rows * model.width;
    for (const zero of [0, 1, 2, 3]) {
      const { facts, sent } = await follow(`sent-${zero}`, {
        ranks: 2,
        parallel: { data: 2, zero },
        train: few,
      });
      const { length, units } = wholeLayout(Number(facts['vocabularySize']));
      const layer = units.find(({ kind }) => kind === 'layer') as { from: number; to: number };
      // Stages 0 to 2: half is reduced, half is gathered. Stage 3 gathers for both passes; the last layer stays for the second.
      const gathered = zero === 3 ? length + (layer.to - layer.from) * (model.depth - 1) : length;
      expect(sent['dataSentBytes'], `stage ${zero}`).toBe(4 * few.steps * (length / 2 + gathered / 2));
    }
    const tensor = await follow('sent-tensor', { ...layouts['tensor 2'], train: few });
    // Two halves of a layer, two passes; and the gradients of its two norms.
    expect(tensor.sent['tensorSentBytes']).toBe(
      4 * few.steps * model.depth * (4 * boundary + 2 * model.width),
    );
    const pipeline = await follow('sent-pipeline', { ...layouts['pipeline 2, 1F1B'], train: few });
    expect(pipeline.sent['pipelineSentBytes']).toBe(4 * few.steps * boundary);
  });
});
