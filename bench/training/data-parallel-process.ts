/** One rank of data-parallel.ts: a whole step (gradients, their sum over the ranks, AdamW) for each line it reads. */
import { createInterface } from 'node:readline';
import { createModelExecutor } from '../../packages/trainer/src/executor/index.ts';
import { joinWorld } from '../../packages/trainer/src/group/index.ts';
import { ModelShard, openUpdateRule, shardGroups } from '../../packages/trainer/src/parallel/index.ts';
import {
  initialiseParameters,
  transformerShape,
  parameterLayout,
} from '../../packages/training/src/model/index.ts';
import { gridAt, stageLayout } from '../../packages/training/src/parallel/index.ts';

const [depth, batch, length, vocabulary, width, heads, hidden, rank, ranks] = process.argv
  .slice(2, 11)
  .map(Number) as [number, number, number, number, number, number, number, number, number];
const directory = process.argv[11] as string;
await using world = await joinWorld({ rank, worldSize: ranks, transport: { kind: 'unix', directory } });
const config = transformerShape({
  depth,
  width,
  heads,
  hidden,
  sequenceLength: length,
  vocabularySize: vocabulary,
});
const layout = parameterLayout(config);
const grid = gridAt({ data: ranks, tensor: 1, pipeline: 1 }, rank);
const shard = new ModelShard({
  layout: stageLayout(config, grid, layout),
  grid,
  zero: 0,
  arena: world.arena,
  groups: shardGroups(world, grid),
});
initialiseParameters(layout, 1, shard.parameters.values);
const executor = await createModelExecutor({
  config,
  sequences: batch,
  time: length,
  kind: 'gradients',
  parameters: shard.parameters.values,
  gradients: shard.gradients.values,
});
const rows = batch * length;
for (let row = 0; row < rows; row += 1) {
  executor.tokens[row] = BigInt((row * 7) % vocabulary);
  executor.targets[row] = BigInt((row * 5) % vocabulary);
  executor.weights[row] = 1 / (rows * ranks);
}
const tell = (line: object): boolean => process.stdout.write(`${JSON.stringify(line)}\n`);
const rule = openUpdateRule(shard, { name: 'adamw', momentum: 0.9, weightDecay: 0.1 });
let step = 0;
const run = async (): Promise<void> => {
  await executor.run();
  await shard.synchronise();
  step += 1;
  await rule.apply({ step, learningRate: 1e-4, gradientScale: 1 });
};
await run();
tell({ rank });
for await (const _ of createInterface(process.stdin)) {
  await world.barrier();
  const started = performance.now();
  await run();
  tell({ ms: performance.now() - started });
}
