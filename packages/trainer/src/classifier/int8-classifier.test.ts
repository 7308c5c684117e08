/** A classifier that learns as its export in eight bits will answer: what it measures is what the file does. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quantiseOnnx } from '@gantry/conversion';
import { createRandom } from '@gantry/kit';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findFiles } from '../data/find-files.ts';
import { ofType, openTrainingScene, type TrainingScene } from '../testing/training-scene.ts';
import { writePng } from '../testing/write-png.ts';
import { readImages } from './read-images.ts';
import { readTable } from './read-table.ts';
import { prepareSamples, type RawSamples } from './samples.ts';

const validationFraction = 0.25;

interface Kind {
  readonly data: string;
  /** Two layers of each are large enough to be worth eight bits. */
  readonly classifier: Record<string, unknown>;
  read(this: void): Promise<RawSamples>;
}

let scene: TrainingScene;
const kinds: Readonly<Record<string, Kind>> = {
  table: {
    data: 'rings.csv',
    classifier: { kind: 'table', label: 'ring', hidden: [128, 64], batchSize: 48 },
    read: async () => await readTable(await findFiles(['rings.csv'], scene.root), 'ring'),
  },
  image: {
    data: 'bars',
    classifier: { kind: 'image', channels: [8, 64], hidden: [96], batchSize: 16 },
    read: async () => await readImages(await findFiles(['bars'], scene.root), undefined),
  },
};

beforeEach(async () => {
  scene = await openTrainingScene();
  await writeFile(join(scene.root, 'rings.csv'), rings());
  await writeBars(join(scene.root, 'bars'));
});
afterEach(() => scene[Symbol.asyncDispose]());

/** Three rings round each other, seen from twenty sides; and numbers that say nothing, large ones among them. */
function rings(): string {
  const random = createRandom(4);
  const sides = Array.from({ length: 20 }, () => 2 * Math.PI * random.next());
  const rows = Array.from({ length: 600 }, (_, index) => {
    const kind = index % 3;
    const [angle, radius] = [2 * Math.PI * random.next(), 1 + kind + 0.7 * random.next()];
    const seen = sides.map((side) => Math.cos(angle - side) * radius);
    const noise = Array.from({ length: 12 }, () => (random.next() - 0.5) ** 5 * 100);
    return [...seen, ...noise, `ring ${kind}`].join();
  });
  const names = Array.from({ length: 32 }, (_, index) => `x${index}`);
  return [[...names, 'ring'].join(), ...rows].join('\n');
}

/** Bars that lie and bars that stand, in noise. */
async function writeBars(folder: string): Promise<void> {
  const random = createRandom(6);
  for (const kind of ['lying', 'standing']) {
    await mkdir(join(folder, kind), { recursive: true });
    for (let index = 0; index < 40; index += 1) {
      const at = random.below(3);
      const lines = Array.from({ length: 8 }, (_, row) =>
        Array.from({ length: 8 }, (__, column) =>
          ((kind === 'lying' ? row : column) + at) % 3 === 0 ? 90 + random.below(160) : random.below(150),
        ),
      );
      await writeFile(join(folder, kind, `${index}.png`), writePng(lines, { samples: 1, colour: 0 }));
    }
  }
}

async function train({ data, classifier }: Kind, run: string, options: Record<string, unknown> = {}) {
  const { codes, reports } = await scene.attempt({
    run,
    train: {
      recipe: 'classifier',
      data: [data],
      classifier,
      steps: 60,
      learningRate: 0.003,
      sampleEvery: 500,
      validationFraction,
      ...options,
    },
  });
  expect(codes, JSON.stringify(reports.at(-1))).toEqual([0]);
  const [artifact] = ofType(reports, 'artifact');
  const file = await readFile(join(scene.root, run, 'export', 'model.onnx'));
  return { file, measured: artifact?.metrics?.['validationLoss'] ?? Number.NaN };
}

/** Mean loss of an ONNX file over the held-out samples, asked for as many at once as training asks. */
async function lossOf(file: Uint8Array, { read }: Kind): Promise<number> {
  const { features, targets, input, classes } = await read();
  // Preparing scales the numbers that it is given.
  const held = prepareSamples(await read(), validationFraction, 1).validation;
  expect(held.length).toBeLessThanOrEqual(256);
  const shape = input.kind === 'table' ? [input.columns] : [input.channels, input.height, input.width];
  const size = shape.reduce((product, axis) => product * axis, 1);
  const rows = Float32Array.from(
    held.flatMap((index) => [...features.subarray(index * size, (index + 1) * size)]),
  );
  const session = await InferenceSession.create(file);
  const { logits } = await session.run({ features: new Tensor('float32', rows, [held.length, ...shape]) });
  const values = (logits as Tensor).data as Float32Array;
  await session.release();
  const losses = held.map((index, row) => {
    const own = values.subarray(row * classes.length, (row + 1) * classes.length);
    const sum = own.reduce((all, logit) => all + Math.exp(logit), 0);
    return Math.log(sum) - (own[targets[index] as number] as number);
  });
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}

describe.each(Object.entries(kinds))('a classifier of kind %s', (_name, kind) => {
  it('is exported in eight bits and answers as training measured (1e-5), where rounding afterwards does not', async () => {
    const plain = await train(kind, 'plain');
    const aware = await train(kind, 'aware', { quantizationAware: 'int8' });
    const rounded = quantiseOnnx(plain.file, 'int8');
    expect(rounded.layers).toHaveLength(2);
    // It has no layer of floats left that would be worth it.
    expect(quantiseOnnx(aware.file, 'int8').layers).toEqual([]);
    expect(aware.file.length).toBeLessThan(0.6 * plain.file.length);

    const differs = async ({ measured }: typeof plain, file: Uint8Array): Promise<number> =>
      Math.abs((await lossOf(file, kind)) - measured);
    expect(await differs(plain, plain.file)).toBeLessThan(2e-6);
    const lostByRounding = await differs(plain, rounded.file);
    const lostByAware = await differs(aware, aware.file);
    expect(lostByAware).toBeLessThan(1e-5);
    expect(lostByRounding).toBeGreaterThan(10 * lostByAware);
  });
});

describe('training for eight bits is refused', () => {
  it.each([
    ['for blocks of GGUF', 'q8_0', kinds['table'], 'int8'],
    ['for what is exported as GGUF', 'int8', undefined, 'q8_0'],
  ])('%s', async (_name, quantizationAware, kind, hint) => {
    const recipe = kind && { recipe: 'classifier', data: [kind.data], classifier: kind.classifier };
    const { codes, reports } = await scene.attempt({ train: { ...recipe, quantizationAware } });
    expect(codes).toEqual([64]);
    expect(ofType(reports, 'fault').at(-1)?.hint).toContain(hint);
  });
});
