/**
 * One rank of a few steps on made-up tokens: what a step takes of time and memory in a layout, for the planner's
 * calibration and the benches that hold it to account. The parts are those of a training; there is no data, no
 * validation and no checkpoint. Says one line of JSON.
 */
import { readFileSync } from 'node:fs';
import { modelRequest, parameterLayout, transformerShape } from '@gantry/training/model';
import { gridAt, worldSizeOf } from '@gantry/training/parallel';
import { createModelExecutor, probeDialect } from '../executor/index.ts';
import { joinWorld, type World } from '../group/index.ts';
import { hasWholeModel, openUpdateRule, type ModelShard } from '../parallel/index.ts';
import type { MicroBatches } from '../rank/micro-batches.ts';
import { openShard } from '../rank/open-shard.ts';
import { readRankEnvironment } from '../rank/rank-environment.ts';
import { openStagedGradients } from '../rank/staged-gradients.ts';
import { readTrainingJob } from '../rank/training-job.ts';
import { planTraining } from '../rank/training-plan.ts';
import { openWholeModelGradients } from '../rank/whole-model-gradients.ts';
import { madeUpFeed } from './made-up-feed.ts';

/** The first runs fill arenas and caches. */
const warmUps = 2;
const smallSums = 30;
const timeoutMs = 5 * 60 * 1000;

export async function runProbe(env: Readonly<Record<string, string | undefined>>): Promise<number> {
  const environment = readRankEnvironment(env);
  const { rank, worldSize, rendezvous, runDirectory } = environment;
  const job = await readTrainingJob(environment.specFile);
  // Without text there is no tokenizer: the vocabulary is as large as it is asked to be.
  const { vocabularySize } = job.train;
  const config = transformerShape({ ...modelRequest(job.train), vocabularySize });
  const plan = planTraining(job, config.width, worldSize);
  await using world = await joinWorld({ rank, worldSize, timeoutMs, transport: rendezvous });
  const baseBytes = await runTiny();
  await world.barrier();

  const grid = gridAt(plan.sizes, rank);
  if (worldSizeOf(grid) !== worldSize) throw new Error(`the layout wants ${worldSizeOf(grid)} ranks`);
  const layout = parameterLayout(config);
  const shard = await openShard({ config, plan, layout, grid, world, runDirectory });
  for (let at = 0; at < shard.parameters.values.length; at += 1)
    shard.parameters.values[at] = ((at * 7919) % 1009) / 1009 / 25;
  const batches: MicroBatches = {
    timeline: world.timeline,
    plan,
    feed: madeUpFeed(config.vocabularySize, plan),
    masking: undefined,
    placeOf: (position) => position,
  };
  const isWhole = hasWholeModel(shard) && plan.zero < 2 && plan.recompute === 'none';
  await using gradients = isWhole
    ? await openWholeModelGradients(batches, config, shard)
    : await openStagedGradients(batches, config, shard, undefined);
  await using rule = openUpdateRule(shard, plan.optimizer);
  const times = { compute: [] as number[], exchange: [] as number[], update: [] as number[] };
  const processor = { compute: [] as number[], update: [] as number[] };
  for (let step = 1 - warmUps; step <= plan.steps; step += 1) {
    await world.barrier();
    const computed = await timed(() => gradients.compute(0, 1));
    const exchanged = await timed(() => shard.synchronise());
    const updated = await timed(() =>
      rule.apply({ step: step + warmUps, learningRate: 1e-5, gradientScale: 1 }),
    );
    const shared = await timed(() => shard.shareParameters());
    gradients.afterUpdate();
    if (step < 1) continue;
    times.compute.push(computed.seconds);
    times.exchange.push(exchanged.seconds + shared.seconds);
    times.update.push(updated.seconds);
    processor.compute.push(computed.processorSeconds);
    processor.update.push(updated.processorSeconds);
  }
  const answer = {
    rank,
    dialect: await probeDialect(),
    baseBytes,
    peakBytes: statusBytes('VmHWM'),
    seconds: { ...medians(times), smallSum: await smallSumSeconds(world, shard) },
    processorSeconds: medians(processor),
  };
  process.stdout.write(`${JSON.stringify(answer)}\n`);
  await world.barrier();
  return 0;
}

/** Everything of the runtime has been used once: what the process takes without a model. */
async function runTiny(): Promise<number> {
  const config = transformerShape({ depth: 1, width: 64, sequenceLength: 32, vocabularySize: 300 });
  const { length } = parameterLayout(config);
  const [parameters, gradients] = [new Float32Array(length), new Float32Array(length)];
  const common = { config, sequences: 2, time: 32, parameters, gradients };
  await using executor = await createModelExecutor({ ...common, kind: 'gradients', threads: 1 });
  await executor.run();
  return statusBytes('VmRSS');
}

async function smallSumSeconds(world: World, shard: ModelShard): Promise<number> {
  const seconds: number[] = [];
  for (let round = 0; round < smallSums; round += 1)
    seconds.push((await timed(() => shard.groups.data.allReduceSum(new Float32Array(16)))).seconds);
  await world.barrier();
  return median(seconds);
}

async function timed(work: () => Promise<unknown>): Promise<{ seconds: number; processorSeconds: number }> {
  const [start, used] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(used);
  return { seconds: (performance.now() - start) / 1000, processorSeconds: (user + system) / 1e6 };
}

function medians<Key extends string>(all: Readonly<Record<Key, readonly number[]>>): Record<Key, number> {
  return Object.fromEntries(
    Object.entries<readonly number[]>(all).map(([key, values]) => [key, median(values)]),
  ) as Record<Key, number>;
}

const median = (values: readonly number[]): number =>
  values.toSorted((one, other) => one - other)[values.length >> 1] ?? Number.NaN;

function statusBytes(field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync('/proc/self/status', 'utf8');
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) * 1024;
}
