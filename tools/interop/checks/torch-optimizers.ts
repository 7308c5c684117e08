/**
 * torch.optim as oracle: fifty steps of AdamW, SGD and Adafactor over a small decoder's parameters, same gradients.
 * Where float64 torch leads and where our float32 shard leads is the same to 1e-4 of the largest move.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createRandom } from '../../../packages/kit/src/index.ts';
import { joinWorld } from '../../../packages/trainer/src/group/index.ts';
import {
  ModelShard,
  openUpdateRule,
  shardGroups,
  stateOf,
  type OptimizerName,
} from '../../../packages/trainer/src/parallel/index.ts';
import {
  eachInitialParameter,
  parameterLayout,
  transformerShape,
} from '../../../packages/training/src/model/index.ts';
import { gridAt, stageLayout } from '../../../packages/training/src/parallel/index.ts';
import { type Check, askPeer } from '../check.ts';

/** Fifty roundings of a norm near one, of which it moves a twentieth. */
const bar = 1e-4;
const steps = 50;
const settings: Readonly<Partial<Record<OptimizerName, { rate: number; momentum: number }>>> = {
  adamw: { rate: 1e-3, momentum: 0.9 },
  sgd: { rate: 0.3, momentum: 0.9 },
  adafactor: { rate: 2e-2, momentum: 0 },
};
const config = transformerShape({
  depth: 1,
  width: 32,
  heads: 2,
  hidden: 48,
  vocabularySize: 64,
  sequenceLength: 16,
  eosId: 0,
});

export const torchOptimizers: Check = async (world) => {
  const { parameters: all } = parameterLayout(config);
  const random = createRandom(8);
  // Rows of very different size, as an embedding's are, and none at all here and there.
  const gradients = Array.from({ length: steps }, () =>
    all.map(({ length, shape }) =>
      Float32Array.from({ length }, (_, index) => {
        const row = Math.floor(index / (shape[1] ?? length));
        return row % 5 === 4 ? 0 : ((random.next() - 0.5) * 2 ** (row % 7)) / 100;
      }),
    ),
  );
  const starts = new Map<string, Float32Array>();
  eachInitialParameter(parameterLayout(config), 3, ({ name }, values) => starts.set(name, values.slice()));
  await writeFile(
    join(world.dir, 'gradients.bin'),
    Buffer.concat(gradients.flat().map((one) => Buffer.from(one.buffer))),
  );
  const asked = all.map(({ name, shape }) => ({ shape, data: [...(starts.get(name) ?? [])] }));
  await writeFile(
    join(world.dir, 'cases.json'),
    JSON.stringify({ steps, optimizers: settings, parameters: asked }),
  );
  const peer = await askPeer(world, 'optimizers_oracle.py', { OUT: world.dir });
  const answers = JSON.parse(await readFile(join(world.dir, 'answers.json'), 'utf8')) as Record<
    string,
    number[][]
  >;
  const said: string[] = [];
  for (const [name, { rate, momentum }] of Object.entries(settings)) {
    const ours = await walk(name as OptimizerName, { rate, momentum, gradients, starts });
    const errors = all.map((parameter, at) => {
      const start = starts.get(parameter.name) as Float32Array;
      const moved = answers[name]?.[at]?.map((value, index) => value - (start[index] as number)) ?? [];
      const values = ours.subarray(parameter.offset, parameter.offset + parameter.length);
      const differences = moved.map(
        (far, index) => far - ((values[index] as number) - (start[index] as number)),
      );
      return largest(differences) / largest(moved);
    });
    const error = Math.max(...errors);
    if (!(error <= bar))
      throw new Error(`${name} ends ${error.toExponential(1)} elsewhere than torch; at most ${bar} is right`);
    said.push(`${name} ${error.toExponential(1)}`);
  }
  return `${peer}: after ${steps} steps, of the largest move: ${said.join(', ')}`;
};

async function walk(
  name: OptimizerName,
  run: {
    readonly rate: number;
    readonly momentum: number;
    readonly gradients: readonly (readonly Float32Array[])[];
    readonly starts: ReadonlyMap<string, Float32Array>;
  },
): Promise<Float32Array> {
  await using alone = await joinWorld({ rank: 0, worldSize: 1, transport: { kind: 'unix', directory: '' } });
  const grid = gridAt({ data: 1, tensor: 1, pipeline: 1 }, 0);
  const shard = new ModelShard({
    layout: stageLayout(config, grid),
    grid,
    zero: 0,
    state: stateOf[name],
    groups: shardGroups(alone, grid),
    arena: alone.arena,
  });
  const all = parameterLayout(config).parameters;
  for (const { name: own, offset } of all)
    shard.parameters.write(offset, run.starts.get(own) as Float32Array);
  await using rule = openUpdateRule(shard, { name, momentum: run.momentum, weightDecay: 0 });
  for (const [index, gradients] of run.gradients.entries()) {
    for (const [at, { offset }] of all.entries())
      shard.gradients.write(offset, gradients[at] as Float32Array);
    await rule.apply({ step: index + 1, learningRate: run.rate, gradientScale: 1 });
  }
  return shard.parameters.values.slice();
}

function largest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}
