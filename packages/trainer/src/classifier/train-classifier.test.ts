import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createRandom } from '@gantry/kit';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ofType, openTrainingScene, worstDifference, type TrainingScene } from '../testing/training-scene.ts';
import { writePng } from '../testing/write-png.ts';

/** Loss of each step on one rank, as of the commit that added it. */
const committed: Readonly<Record<string, readonly number[]>> = {
  table: [1.841694, 1.594526, 1.626797, 1.643932, 1.382664, 1.168176],
  image: [1.407476, 1.216574, 1.145319, 1.132111, 1.108536, 1.125767],
};
const steps = 6;

const recipes: Readonly<Record<string, Record<string, unknown>>> = {
  table: {
    recipe: 'classifier',
    data: ['flowers.csv'],
    classifier: { kind: 'table', label: 'species', hidden: [16], batchSize: 24 },
  },
  image: {
    recipe: 'classifier',
    data: ['images'],
    classifier: { kind: 'image', channels: [4, 8], hidden: [8], batchSize: 24 },
  },
};

let scene: TrainingScene;
beforeEach(async () => {
  scene = await openTrainingScene();
  await writeFile(join(scene.root, 'flowers.csv'), flowers());
  await writeImages(join(scene.root, 'images'));
});
afterEach(() => scene[Symbol.asyncDispose]());

/** Three species whose petals differ, and a colour that says something of one. */
function flowers(): string {
  const random = createRandom(5);
  const rows = Array.from({ length: 150 }, (_, index) => {
    const kind = index % 3;
    const colour = kind === 0 ? 'white' : ['red', 'blue'][random.below(2)];
    return [
      1 + kind + random.next() * 0.6,
      300 - 60 * kind + random.next() * 90,
      colour,
      `kind ${kind}`,
    ].join();
  });
  return ['petal,stem,colour,species', ...rows].join('\n');
}

/** Bars that lie, bars that stand, and noise. */
async function writeImages(folder: string): Promise<void> {
  const random = createRandom(6);
  for (const kind of ['lying', 'noise', 'standing']) {
    await mkdir(join(folder, kind), { recursive: true });
    for (let index = 0; index < 40; index += 1) {
      const at = random.below(3);
      const lines = Array.from({ length: 9 }, (_, row) =>
        Array.from({ length: 8 }, (__, column) => {
          const isOn =
            kind === 'noise' ? random.below(3) === 0 : ((kind === 'lying' ? row : column) + at) % 3 === 0;
          return isOn ? 200 + random.below(50) : random.below(60);
        }),
      );
      await writeFile(join(folder, kind, `${index}.png`), writePng(lines, { samples: 1, colour: 0 }));
    }
  }
}

async function learn(kind: string, run: string, options: Record<string, unknown> = {}, train = {}) {
  const { codes, reports, losses } = await scene.attempt({
    run,
    checkpoint: { everySteps: 3, keep: 9 },
    ...options,
    train: {
      ...recipes[kind],
      steps,
      learningRate: 0.01,
      sampleEvery: 50,
      validationFraction: 0.2,
      ...train,
    },
  });
  return { codes, reports, losses };
}

describe.each(['table', 'image'])('a classifier of kind %s', (kind) => {
  it('learns to tell held-out samples apart, and is exported as ONNX that takes them as they are', async () => {
    const { codes, reports } = await learn(kind, 'run', {}, { steps: 150 });
    expect(codes, JSON.stringify(reports.at(-1))).toEqual([0]);
    const [artifact] = ofType(reports, 'artifact');
    expect(artifact?.formats).toEqual(['onnx']);
    expect(artifact?.metrics?.['accuracy']).toBeGreaterThan(0.9);
    const file = (name: string): string => join(scene.root, 'run', 'export', name);
    const config = JSON.parse(await readFile(file('config.json'), 'utf8')) as { labels: string[] };
    expect(config.labels).toHaveLength(3);
    const session = await InferenceSession.create(file('model.onnx'));
    // petal, stem, colour is blue, red, white.
    const rows = [
      [1.3, 345, 0, 0, 1],
      [3.3, 225, 1, 0, 0],
    ];
    const bar = (isLying: boolean): number[] =>
      Array.from({ length: 72 }, (_, place) =>
        (isLying ? Math.floor(place / 8) : place % 8) % 3 === 0 ? 0.9 : 0.1,
      );
    const features = kind === 'table' ? rows : [bar(true), bar(false)];
    const shape = kind === 'table' ? [2, 5] : [2, 1, 9, 8];
    const { probabilities } = await session.run({
      features: new Tensor('float32', Float32Array.from(features.flat()), shape),
    });
    const found = [...((probabilities as Tensor).data as Float32Array)];
    // The first class is `kind 0` or `lying`, the last `kind 2` or `standing`.
    expect(found[0]).toBeGreaterThan(0.5);
    expect(found[5]).toBeGreaterThan(0.5);
    await session.release();
  });

  it('follows its committed trajectory in every layout, and through a checkpoint (loss 2e-5, weights 2e-5)', async () => {
    const expectCommitted = (losses: readonly number[], from = 0): void => {
      expect(losses).toHaveLength(steps - from);
      for (const [index, loss] of losses.entries())
        expect(
          Math.abs(loss - (committed[kind]?.[from + index] as number)),
          losses.map((x) => x.toFixed(6)).join(', '),
        ).toBeLessThan(2e-5);
    };
    expectCommitted((await learn(kind, 'alone')).losses);
    const weights = await scene.parametersAt('alone', steps);
    const layouts = {
      accumulated: { parallel: { microBatches: 8 } },
      'data 2': { ranks: 2 },
      'data 3 with ZeRO 1': { ranks: 3, parallel: { zero: 1 } },
    };
    for (const [name, layout] of Object.entries(layouts)) {
      expectCommitted((await learn(kind, name, layout)).losses);
      expect(worstDifference(await scene.parametersAt(name, steps), weights), name).toBeLessThan(2e-5);
    }
    const { losses } = await learn(kind, 'other', { ranks: 2, resumeFrom: scene.checkpointAt('alone', 3) });
    expectCommitted(losses, 3);
  });
});

describe('images of many sizes, changed each time they are learned from,', () => {
  const augmented = (augment: object): object => ({
    classifier: { kind: 'image', channels: [4, 8], hidden: [8], batchSize: 24, size: 10, augment },
  });
  const all = augmented({ flip: true, shift: 1, brightness: 0.2, contrast: 0.2, noise: 0.1, erase: 2 });
  beforeEach(async () => {
    const large = Array.from({ length: 20 }, (_, row) =>
      Array.from({ length: 14 }, () => (row % 4 < 2 ? 220 : 20)),
    );
    await writeFile(
      join(scene.root, 'images', 'lying', 'large.png'),
      writePng(large, { samples: 1, colour: 0 }),
    );
  });

  it('are changed alike in every layout and after a resume', async () => {
    const { losses, codes } = await learn('image', 'alone', {}, all);
    expect(codes).toEqual([0]);
    expect(losses).not.toEqual((await learn('image', 'plain', {}, augmented({}))).losses);
    const runs = {
      accumulated: await learn('image', 'accumulated', { parallel: { microBatches: 8 } }, all),
      ranks: await learn('image', 'ranks', { ranks: 2 }, all),
      resumed: await learn('image', 'resumed', { ranks: 2, resumeFrom: scene.checkpointAt('alone', 3) }, all),
    };
    for (const [name, run] of Object.entries(runs))
      for (const [index, loss] of run.losses.entries())
        expect(Math.abs(loss - (losses[index + steps - run.losses.length] as number)), name).toBeLessThan(
          2e-5,
        );
  });

  it('are still told apart, judged as they are, and the exported model says what size it takes', async () => {
    const { codes, reports } = await learn('image', 'run', {}, { ...all, steps: 200 });
    expect(codes).toEqual([0]);
    expect(ofType(reports, 'artifact')[0]?.metrics['accuracy']).toBeGreaterThan(0.8);
    const config = JSON.parse(await readFile(join(scene.root, 'run', 'export', 'config.json'), 'utf8'));
    expect(config).toMatchObject({ input: { height: 10, width: 10 } });
  });

  it('need a size to be brought to', async () => {
    const { codes, reports } = await learn('image', 'run');
    expect(codes).toEqual([64]);
    expect(ofType(reports, 'fault')[0]).toMatchObject({
      code: 'data_invalid',
      hint: expect.stringContaining('train.classifier.size'),
    });
  });
});

describe('a classifier refuses, with a sentence and a hint,', () => {
  const table = recipes['table'] as { classifier: object };
  const image = recipes['image'] as { classifier: object };
  it.each([
    ['a label that is no column', 'data_invalid', { classifier: { ...table.classifier, label: 'name' } }, {}],
    ['layouts that cut it', 'bad_layout', {}, { ranks: 2, parallel: { tensor: 2 } }],
    ['ZeRO 2', 'bad_layout', {}, { ranks: 2, parallel: { data: 2, zero: 2 } }],
    ['no section of its own', 'bad_spec', { classifier: undefined }, {}],
    ['tables with other columns', 'data_invalid', { data: ['flowers.csv', 'other.csv'] }, {}],
    ['rows of another length', 'data_invalid', { data: ['short.csv'] }, {}],
    ['one class', 'bad_shape', { data: ['same.csv'] }, {}],
    ['columns that name each row', 'data_invalid', { data: ['names.csv'] }, {}],
    ['files that are no images', 'data_invalid', { ...image, data: ['flowers.csv'] }, {}],
    [
      'more halvings than places',
      'bad_shape',
      { ...image, classifier: { ...image.classifier, channels: [4, 4, 4, 4] } },
      {},
    ],
  ])('%s', async (_name, code, train, options) => {
    const files = {
      'other.csv': 'a,b\n1,2\n',
      'short.csv': 'petal,species\n1,x\n2\n',
      'same.csv': 'petal,species\n1,x\n2,x\n',
      'names.csv': `who,species\n${Array.from({ length: 300 }, (_, row) => `n${row},k${row % 2}`).join('\n')}`,
    };
    for (const [name, text] of Object.entries(files)) await writeFile(join(scene.root, name), text);
    const { codes, reports } = await learn('table', 'run', options, train);
    expect(codes).toEqual(codes.map(() => 64));
    const fault = ofType(reports, 'fault').at(-1);
    expect(fault?.code, fault?.message).toBe(code);
    expect(fault?.hint).not.toBe('');
  });
});
