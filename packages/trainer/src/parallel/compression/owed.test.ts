import { transformerShape } from '@gantry/training/model';
import { gridAt, stageLayout, worldSizeOf, type ParallelSizes } from '@gantry/training/parallel';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { joinWorld, type World } from '../../group/index.ts';
import { ModelShard } from '../model-shard.ts';
import { shardGroups } from '../shard-options.ts';
import type { CompressionPlan } from './open-gradient-sum.ts';

const config = transformerShape({
  depth: 1,
  width: 32,
  heads: 2,
  hidden: 48,
  vocabularySize: 64,
  sequenceLength: 16,
  eosId: 0,
});

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gantry-owed-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** All ranks of a layout, in this process. */
async function withShards(
  sizes: ParallelSizes,
  compression: CompressionPlan,
  run: (shard: ModelShard, rank: number) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(root, 'rv-'));
  const worldSize = worldSizeOf(sizes);
  const one = async (rank: number): Promise<void> => {
    await using world: World = await joinWorld({ rank, worldSize, transport: { kind: 'unix', directory } });
    const grid = gridAt(sizes, rank);
    await run(
      new ModelShard({
        layout: stageLayout(config, grid),
        grid,
        zero: 0,
        compression,
        arena: world.arena,
        groups: shardGroups(world, grid),
      }),
      rank,
    );
    await world.barrier();
  };
  await Promise.all(Array.from({ length: worldSize }, (_, rank) => one(rank)));
}

const whole = { data: 1, tensor: 1, pipeline: 1 };
const gradientAt = (at: number, rank: number): number => Math.sin(at * (rank + 1)) * (at % 9);

for (const compression of [
  { kind: 'topk', ratio: 0.05 },
  { kind: 'powersgd', rank: 2 },
] as const)
  it(`${compression.kind}: what two ranks owed is delivered by three others after a checkpoint`, async () => {
    const { length, parameters } = stageLayout(config, gridAt(whole, 0));
    let owed = new Float32Array();
    await withShards({ ...whole, data: 2 }, compression, async (shard, rank) => {
      const { values } = shard.gradients;
      for (const { offset, length: own } of parameters)
        for (let at = offset; at < offset + own; at += 1) values[at] = gradientAt(at, rank);
      await shard.synchronise();
      await shard.owed?.gather();
      owed = Float32Array.from(shard.owed?.sum.values ?? []);
      // Nothing is lost: what went out and what is owed are what there was.
      for (const { offset, length: own } of parameters)
        for (let at = offset; at < offset + own; at += 1)
          expect((values[at] as number) + (owed[at] as number)).toBeCloseTo(
            gradientAt(at, 0) + gradientAt(at, 1),
            3,
          );
    });
    expect(owed.length).toBe(length);
    expect(Math.max(...owed.map(Math.abs))).toBeGreaterThan(0.1);
    await withShards({ ...whole, data: 3 }, { kind: 'topk', ratio: 1 }, async (shard) => {
      shard.owed?.sum.values.set(owed);
      shard.owed?.take();
      shard.clearGradients();
      await shard.synchronise();
      for (const { offset, length: own } of parameters)
        for (let at = offset; at < offset + own; at += 1)
          expect(shard.gradients.values[at]).toBeCloseTo(owed[at] as number, 3);
    });
  });
