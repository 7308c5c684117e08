/** Each kind of model learns one committed trajectory, and every way to spread it over ranks follows it. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tokenizerFromJson } from '@gantry/training/tokenizer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ofType, openTrainingScene, worstDifference, type TrainingScene } from '../testing/training-scene.ts';

/** As in parallel-layouts.test.ts. */
const lossTolerance = 2e-5;
const weightTolerance = 2e-5;

const steps = 6;
const time = 16;
const sequences = 8;

interface Family {
  readonly recipe?: string;
  readonly model: Record<string, unknown>;
  readonly kvHeads: number;
  readonly data?: readonly string[];
  /** All without shared experts unless given. */
  readonly layouts?: readonly string[];
  /** Loss of each step on one rank, as of the commit that added it. */
  readonly committed: readonly number[];
}

const families: Readonly<Record<string, Family>> = {
  GPT: {
    model: { family: 'gpt' },
    kvHeads: 4,
    committed: [5.647198, 5.142945, 4.914925, 4.776497, 4.689438, 4.675056],
  },
  'an encoder that guesses hidden tokens': {
    recipe: 'masked-language-model',
    model: {},
    kvHeads: 4,
    layouts: ['eight micro-batches', 'data 2 with ZeRO 3', 'pipeline 2 with ZeRO 1'],
    committed: [5.498435, 5.249378, 5.273067, 4.832449, 4.915155, 4.990277],
  },
  'GPT with slopes and a head of its own': {
    model: { family: 'gpt', positions: 'alibi', tied: false },
    kvHeads: 2,
    layouts: ['tensor 2', 'pipeline 2 with ZeRO 1'],
    committed: [5.587018, 5.021693, 4.725081, 4.538752, 4.445743, 4.430676],
  },
  'Llama with ranges of distance and biases': {
    model: { positions: 'relative', biases: true },
    kvHeads: 4,
    layouts: ['tensor 2', 'pipeline 2 with ZeRO 1'],
    committed: [5.645449, 5.157707, 4.918129, 4.779266, 4.70617, 4.692843],
  },
  'a mixture of four experts, two for each token': {
    model: { experts: { count: 4, capacityFactor: 1 } },
    kvHeads: 2,
    layouts: [
      'eight micro-batches',
      'recomputed activations',
      'tensor 2',
      'pipeline 2 with ZeRO 1',
      'data 2 with ZeRO 3',
      'experts over 2',
      'experts over 2 of 4 with ZeRO 1, recomputed',
      'experts over 2 of 4 with ZeRO 3',
      'experts over 2 × tensor 2',
      'experts over 2 × pipeline 2',
    ],
    committed: [5.610538, 5.201457, 4.916541, 4.765606, 4.699077, 4.682238],
  },
  'Llama whose documents do not see each other': {
    model: { attention: 'document' },
    kvHeads: 2,
    data: ['short.jsonl'],
    layouts: [
      'eight micro-batches',
      'recomputed activations',
      'tensor 2',
      'tensor 2 with sequence-parallel norms',
      'pipeline 2 with ZeRO 1',
      'data 2 with ZeRO 3',
    ],
    committed: [5.314195, 4.957246, 4.72871, 4.57886, 4.509754, 4.450527],
  },
  'Llama with sine waves and LayerNorm': {
    model: { positions: 'sinusoidal', norm: 'layer' },
    kvHeads: 2,
    layouts: ['tensor 2', 'pipeline 2 with ZeRO 1'],
    committed: [5.572039, 5.363778, 5.1592, 5.043097, 4.961533, 4.905477],
  },
};

const layouts: Readonly<Record<string, { ranks: number; parallel: Record<string, unknown> }>> = {
  'eight micro-batches': { ranks: 1, parallel: { microBatches: 8 } },
  'recomputed activations': { ranks: 1, parallel: { recompute: 'layer' } },
  'tensor 2': { ranks: 2, parallel: { tensor: 2 } },
  'tensor 2 with sequence-parallel norms': { ranks: 2, parallel: { tensor: 2, sequenceParallel: true } },
  'pipeline 2 with ZeRO 1': { ranks: 2, parallel: { pipeline: 2, microBatches: 2, zero: 1 } },
  'data 2 with ZeRO 3': { ranks: 2, parallel: { data: 2, zero: 3 } },
  'experts over 2': { ranks: 2, parallel: { data: 2, expert: 2 } },
  'experts over 2 of 4 with ZeRO 1, recomputed': {
    ranks: 4,
    parallel: { data: 4, expert: 2, zero: 1, recompute: 'layer' },
  },
  'experts over 2 of 4 with ZeRO 3': { ranks: 4, parallel: { data: 4, expert: 2, zero: 3 } },
  'experts over 2 × tensor 2': { ranks: 4, parallel: { data: 2, expert: 2, tensor: 2 } },
  'experts over 2 × pipeline 2': {
    ranks: 4,
    parallel: { data: 2, expert: 2, pipeline: 2, microBatches: 2 },
  },
};

const usual = Object.keys(layouts).filter((name) => layouts[name]?.parallel['expert'] === undefined);

let scene: TrainingScene;
beforeEach(async () => {
  scene = await openTrainingScene();
  // Several documents in a sequence.
  const short = Array.from({ length: 120 }, (_, at) => ({ text: `${at} ${'mice '.repeat(1 + (at % 4))}` }));
  await writeFile(join(scene.root, 'short.jsonl'), short.map((line) => JSON.stringify(line)).join('\n'));
});
afterEach(() => scene[Symbol.asyncDispose]());

async function follow(
  run: string,
  { recipe = 'language-model', model, kvHeads, data }: Family,
  layout: object = {},
): Promise<readonly number[]> {
  const sizes = { depth: 2, width: 64, heads: 4, hidden: 96, sequenceLength: time };
  const { codes, reports, losses } = await scene.attempt({
    run,
    checkpoint: { everySteps: steps },
    ...layout,
    train: {
      ...sizes,
      recipe,
      model,
      kvHeads,
      batchTokens: sequences * time,
      steps,
      sampleEvery: 1000,
      ...(data && { data }),
    },
  });
  expect(codes, JSON.stringify(reports.at(-1))).toEqual(codes.map(() => 0));
  return losses;
}

describe('the committed trajectory', () => {
  for (const [name, family] of Object.entries(families))
    it(`of ${name} is followed by every layout (loss within ${lossTolerance}, weights within ${weightTolerance})`, async () => {
      const expectCommitted = (losses: readonly number[], layout: string): void => {
        expect(losses.length).toBe(steps);
        for (const [index, loss] of losses.entries())
          expect(
            Math.abs(loss - (family.committed[index] as number)),
            `${layout}: ${losses.map((x) => x.toFixed(6)).join(', ')}`,
          ).toBeLessThan(lossTolerance);
      };
      expectCommitted(await follow('alone', family), 'alone');
      const weights = await scene.parametersAt('alone', steps);
      for (const layout of family.layouts ?? usual) {
        const options = layouts[layout];
        if (options === undefined) throw new Error(`there is no layout ${layout}`);
        expectCommitted(await follow(layout, family, options), layout);
        const difference = worstDifference(await scene.parametersAt(layout, steps), weights);
        expect(difference, layout).toBeLessThan(weightTolerance);
      }
    });
});

it('an encoder guesses hidden tokens of held-out text better as it learns, and is exported with its mask', async () => {
  const { codes, reports } = await scene.attempt({
    train: {
      recipe: 'masked-language-model',
      depth: 1,
      width: 64,
      heads: 2,
      hidden: 96,
      steps: 60,
      sampleEvery: 30,
    },
  });
  expect(codes).toEqual([0]);
  const losses = ofType(reports, 'metric').flatMap(({ values }) => values['validationLoss'] ?? []);
  expect(losses.length).toBe(2);
  expect(losses[1]).toBeLessThan((losses[0] as number) * 0.98);
  expect(ofType(reports, 'sample')).toEqual([]);
  const json = async (file: string): Promise<unknown> =>
    JSON.parse(await readFile(join(scene.root, 'run', 'export', file), 'utf8'));
  const config = (await json('config.json')) as { vocabularySize: number; isCausal: boolean };
  expect(config.isCausal).toBe(false);
  expect(tokenizerFromJson(await json('tokenizer.json')).vocabulary.tokens[config.vocabularySize - 1]).toBe(
    '<|mask|>',
  );
});

describe('a mixture of experts is refused', () => {
  it.each([
    ['where a token would be seen by more than there are', 'bad_shape', { count: 2, top: 3 }, 1, 'top to 2'],
    ['where ranks cannot share them evenly', 'bad_layout', { count: 3 }, 2, 'experts 3 does not divide'],
  ])('%s', async (_name, code, experts, tensor, words) => {
    const { codes, reports } = await scene.attempt({
      ranks: tensor,
      parallel: { tensor },
      train: { kvHeads: 2, model: { experts } },
    });
    expect(codes).toEqual(codes.map(() => 64));
    const fault = ofType(reports, 'fault').at(-1);
    expect(fault?.code).toBe(code);
    expect(`${fault?.message} ${fault?.hint}`).toContain(words);
  });
});
