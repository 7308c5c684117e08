/** Moments that an optimiser has of some parameters only: what a checkpoint holds of them, and how older ones are read. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transformerShape } from '@gantry/training/model';
import { gridAt, isLayerMatrix, stageLayout } from '@gantry/training/parallel';
import { expect, it, onTestFinished } from 'vitest';
import { joinWorld } from '../group/index.ts';
import { ModelShard, shardGroups, stateOf } from '../parallel/index.ts';
import type { OptimizerState } from '../parallel/shard-options.ts';
import { openCheckpoint } from './checkpoint-folder.ts';
import { Checkpointer } from './checkpointer.ts';
import { readCheckpoint } from './read-checkpoint.ts';

const config = transformerShape({ depth: 2, width: 64, heads: 2, sequenceLength: 16, vocabularySize: 300 });
const grid = gridAt({ data: 1, tensor: 1, pipeline: 1 }, 0);
const layout = stageLayout(config, grid);
const isMatrix = layout.units.flatMap((unit) =>
  unit.parameters.map((parameter) => [parameter, isLayerMatrix(unit, parameter)] as const),
);
const beside = isMatrix.flatMap(([parameter, isOne]) => (isOne ? [] : [parameter]));

async function openScene() {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-moments-'));
  const world = await joinWorld({ rank: 0, worldSize: 1, transport: { kind: 'unix', directory } });
  onTestFinished(async () => {
    await world[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });
  const groups = shardGroups(world, grid);
  const open = (state: OptimizerState): ModelShard =>
    new ModelShard({ layout, grid, zero: 0, state, groups, arena: world.arena });
  /** Every element says where it lies in the stage, and of which kind it is. */
  const filled = (state: OptimizerState): ModelShard => {
    const shard = open(state);
    for (const [kind, { buffer }] of shard.saved.entries())
      for (const { from, values } of buffer.held(0, layout.length))
        for (let at = 0; at < values.length; at += 1) values[at] = kind * 1_000_000 + from + at;
    return shard;
  };
  const save = async (shard: ModelShard) => {
    await using checkpointer = new Checkpointer({ directory, shard, keep: 1, keepBest: 0 });
    const done = { step: 1, position: 0, seed: 1, dataDigest: '', optimizer: 'muon', loss: undefined };
    checkpointer.begin({ ...done, shape: { ...config } });
    await checkpointer.written();
    const outcome = await checkpointer.settle(checkpointer.flags(), 1);
    if (outcome?.kind !== 'saved') throw new Error('not saved', { cause: outcome });
    return await openCheckpoint(outcome.checkpoint.path);
  };
  return { open, filled, save };
}

function expectSecondMoments(shard: ModelShard): void {
  for (const { offset, length } of beside) {
    const values = shard.second.view({ from: offset, to: offset + length });
    expect([values[0], values.at(-1)]).toEqual([2_000_000 + offset, 2_000_000 + offset + length - 1]);
  }
}

it('Muon has no second moments of matrices, in memory or in checkpoints, and finds the others again', async () => {
  const { open, filled, save } = await openScene();
  const [muon, adamw] = [filled(stateOf.muon), open(stateOf.adamw)];
  const matrices = isMatrix.reduce((sum, [{ length }, isOne]) => sum + (isOne ? length : 0), 0);
  expect(adamw.residentBytes().optimiser - muon.residentBytes().optimiser).toBe(4 * matrices);
  const checkpoint = await save(muon);
  expect(checkpoint.manifest.shards.map(({ bytes }) => bytes)).toEqual([4 * (3 * layout.length - matrices)]);
  const again = open(stateOf.muon);
  await readCheckpoint(checkpoint, config, again);
  expect(again.parameters.values).toEqual(muon.parameters.values);
  expectSecondMoments(again);
});

it('a checkpoint from when Muon had all of them is read', async () => {
  const { open, filled, save } = await openScene();
  const old = filled('first and second');
  const checkpoint = await save(old);
  expect(checkpoint.manifest.isSparse).toBeUndefined();
  const muon = open(stateOf.muon);
  await readCheckpoint(checkpoint, config, muon);
  expect(muon.first.values).toEqual(old.first.values);
  expectSecondMoments(muon);
});
