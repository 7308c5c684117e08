/**
 * torch as oracle for the other models: GPT (head shared and of its own), a mixture of experts, an encoder, every kind
 * of positions, and both classifiers.
 * What we export is opened by transformers, which computes every gradient in float64; ours are within 2e-6 of it
 * (largest difference over largest value, a parameter at a time).
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSafetensors } from '../../../packages/formats/src/index.ts';
import { createRandom } from '../../../packages/kit/src/index.ts';
import { createClassifierExecutor } from '../../../packages/trainer/src/classifier/classifier-executor.ts';
import { createModelExecutor } from '../../../packages/trainer/src/executor/index.ts';
import { chooseForm } from '../../../packages/trainer/src/export/choose-form.ts';
import { exportModel } from '../../../packages/trainer/src/export/index.ts';
import {
  classifierLayout,
  sampleShape,
  type ClassifierConfig,
} from '../../../packages/training/src/classifier/index.ts';
import {
  initialiseParameters,
  parameterLayout,
  toHuggingFaceWeights,
  transformerShape,
  type ParameterLayout,
  type ShapeRequest,
} from '../../../packages/training/src/model/index.ts';
import { trainBpe } from '../../../packages/training/src/tokenizer/index.ts';
import { type Check, askPeer } from '../check.ts';

const bar = 2e-6;
const [sequences, time] = [2, 32];
/** No expert is ever full, and the balance, which is no part of the loss, pulls at nothing. */
const experts = { count: 4, top: 2, capacityFactor: 4, balance: 0 };
const transformers: Readonly<Record<string, Partial<ShapeRequest>>> = {
  gpt: { family: 'gpt' },
  'gpt-own-head': { family: 'gpt', isTied: false },
  mixtral: { experts, kvHeads: 2 },
};
/** Those that transformers has no name for: torch builds them of its own operators. */
const mixtures: Readonly<Record<string, Partial<ShapeRequest>>> = {
  encoder: { family: 'gpt', style: { isCausal: false } },
  alibi: { kvHeads: 2, style: { positions: 'alibi' } },
  sinusoidal: { family: 'gpt', style: { positions: 'sinusoidal' } },
  relative: { style: { positions: 'relative' } },
  'relative-encoder': { family: 'gpt', style: { positions: 'relative', isCausal: false } },
};
const classifiers: Readonly<Record<string, ClassifierConfig>> = {
  table: {
    family: 'classifier',
    input: { kind: 'table', columns: 7 },
    classes: 3,
    channels: [],
    hidden: [16, 8],
  },
  image: {
    family: 'classifier',
    input: { kind: 'image', channels: 3, height: 9, width: 8 },
    classes: 4,
    channels: [6, 8],
    hidden: [12],
  },
};

const tokenizer = trainBpe(['the cat sat on the mat. '.repeat(9)], { vocabularySize: 264 });

export const torchFamilies: Check = async (world) => {
  const ours = await Promise.all(
    Object.entries({ ...transformers, ...mixtures }).map(([name, shape]) =>
      transformerCase(join(world.dir, name), name, shape),
    ),
  );
  const askedOf = (names: object) =>
    ours.flatMap(({ asked }) => (Object.hasOwn(names, asked.name) ? [asked] : []));
  const images = await Promise.all(
    Object.entries(classifiers).map(([name, config]) => classifierCase(name, config)),
  );
  await writeFile(
    join(world.dir, 'cases.json'),
    JSON.stringify({
      transformers: askedOf(transformers),
      own: askedOf(mixtures),
      classifiers: images.map(({ asked }) => asked),
    }),
  );
  const peer = await askPeer(world, 'families_oracle.py', { OUT: world.dir });
  const answers = JSON.parse(await readFile(join(world.dir, 'classifiers.json'), 'utf8')) as Record<
    string,
    Record<string, number[]>
  >;
  const worst = new Map<string, number>();
  const judge = (
    name: string,
    parameter: string,
    found: Float32Array,
    wanted: ArrayLike<number> | undefined,
  ): void => {
    if (wanted?.length !== found.length) throw new Error(`${name}: torch has no ${parameter} like ours`);
    let [difference, largest] = [0, 0];
    for (const [index, value] of found.entries()) {
      difference = Math.max(difference, Math.abs(value - (wanted[index] as number)));
      largest = Math.max(largest, Math.abs(wanted[index] as number));
    }
    // A key's bias moves all scores of a query alike: its gradient is nothing but rounding.
    const error = largest < 1e-9 ? difference : difference / largest;
    if (!(error <= bar))
      throw new Error(
        `${name}: the gradient of ${parameter} differs by ${error.toExponential(1)}; at most ${bar} is right`,
      );
    worst.set(name, Math.max(worst.get(name) ?? 0, error));
  };
  for (const { asked, gradients } of ours) {
    const theirs = await readTensors(join(world.dir, asked.name, 'gradients', 'model.safetensors'));
    for (const { name, data } of gradients) {
      // A shared head is saved once, under the embedding's name or its own.
      judge(asked.name, name, data, theirs.get(name) ?? theirs.get('lm_head.weight'));
    }
  }
  for (const { asked, layout, gradients } of images)
    for (const { name, offset, length } of layout.parameters)
      judge(asked.name, name, gradients.subarray(offset, offset + length), answers[asked.name]?.[name]);
  const said = [...worst].map(([name, error]) => `${name} ${error.toExponential(1)}`);
  return `${peer}: largest differences of gradients ${said.join(', ')}`;
};

async function transformerCase(outDir: string, name: string, shape: Partial<ShapeRequest>) {
  const { vocabularySize, eosId } = tokenizer;
  const sizes = { depth: 2, width: 64, heads: 4, hidden: 96, sequenceLength: time, vocabularySize, eosId };
  const config = transformerShape({ ...sizes, ...shape });
  const layout = parameterLayout(config);
  const parameters = startOf(layout);
  await exportModel({ weights: toHuggingFaceWeights(layout, parameters), config, tokenizer, outDir });
  const gradients = new Float32Array(layout.length);
  await using executor = await createModelExecutor({
    config,
    sequences,
    time,
    kind: 'gradients',
    parameters,
    gradients,
  });
  const random = createRandom(5);
  for (let at = 0; at < sequences * time; at += 1) {
    executor.tokens[at] = BigInt(random.below(vocabularySize));
    executor.targets[at] = BigInt(random.below(vocabularySize));
    executor.weights[at] = 1 / (sequences * time);
  }
  await executor.run();
  // Gradients have the names and turns of the weights.
  const form = chooseForm({ weights: toHuggingFaceWeights(layout, gradients), config, tokenizer, name });
  return {
    asked: {
      name,
      sequences,
      tokens: [...executor.tokens].map(Number),
      targets: [...executor.targets].map(Number),
    },
    gradients: form.safetensors.map((tensor) => ({ name: tensor.name, data: tensor.data() })),
  };
}

async function classifierCase(name: string, config: ClassifierConfig) {
  const count = 6;
  const layout = classifierLayout(config);
  const parameters = startOf(layout);
  const gradients = new Float32Array(layout.length);
  const size = sampleShape(config).reduce((product, axis) => product * axis, 1);
  const random = createRandom(6);
  const features = Float32Array.from({ length: count * size }, () => random.next() * 2 - 1);
  const targets = Int32Array.from({ length: count }, () => random.below(config.classes));
  await using executor = await createClassifierExecutor({ config, samples: count, parameters, gradients });
  for (let row = 0; row < count; row += 1) executor.take({ features, targets }, row, row);
  executor.weights.fill(1 / count);
  await executor.run();
  return {
    asked: {
      name,
      stages: config.channels.length,
      hidden: config.hidden.length,
      shape: [count, ...sampleShape(config)],
      features: [...features],
      targets: [...targets],
      parameters: Object.fromEntries(
        layout.parameters.map(({ name: own, shape, offset, length }) => [
          own,
          { shape, data: [...parameters.subarray(offset, offset + length)] },
        ]),
      ),
    },
    layout,
    gradients,
  };
}

/** No weight, bias or norm is what it starts as. */
function startOf(layout: ParameterLayout): Float32Array {
  const parameters = new Float32Array(layout.length);
  initialiseParameters(layout, 3, parameters);
  const random = createRandom(4);
  for (const { offset, length } of layout.parameters)
    for (let at = offset; at < offset + length; at += 1)
      parameters[at] = (parameters[at] as number) + (random.next() - 0.5) * 0.1;
  return parameters;
}

async function readTensors(path: string): Promise<Map<string, Float32Array>> {
  const file = await readFile(path);
  return new Map(
    parseSafetensors(file).tensors.map(({ name, offset, bytes }) => [
      name,
      new Float32Array(Uint8Array.from(file.subarray(offset, offset + bytes)).buffer),
    ]),
  );
}
