/**
 * Saving parameters and both Adam moments of a 10.8 M parameter model, checksummed and fsynced, beside torch.save
 * + fsync. Twice: until the last checkpoint is durable, and how long training stands still for it.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Checkpointer,
  openCheckpoint,
  readCheckpoint,
  type SaveOutcome,
} from '../../packages/trainer/src/checkpoint/index.ts';
import { joinWorld } from '../../packages/trainer/src/group/index.ts';
import { ModelShard, shardGroups } from '../../packages/trainer/src/parallel/index.ts';
import { transformerShape } from '../../packages/training/src/model/index.ts';
import { gridAt, stageLayout } from '../../packages/training/src/parallel/index.ts';
import type { BenchLine } from '../bench-line.ts';
import { median } from './median.ts';
import { startTorchPeer } from './torch-peer.ts';

const rounds = 9;
const config = transformerShape({
  depth: 6,
  width: 384,
  heads: 6,
  hidden: 1024,
  sequenceLength: 256,
  vocabularySize: 512,
});
const alone = gridAt({ data: 1, tensor: 1, pipeline: 1 }, 0);

export async function checkpointSave(): Promise<BenchLine[]> {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-bench-checkpoint-'));
  try {
    await using world = await joinWorld({
      rank: 0,
      worldSize: 1,
      transport: { kind: 'unix', directory },
    });
    const groups = shardGroups(world, alone);
    const { arena } = world;
    const shard = new ModelShard({ layout: stageLayout(config, alone), grid: alone, zero: 0, groups, arena });
    for (const { values } of [shard.parameters, shard.first, shard.second]) fillWithNoise(values);
    await using checkpointer = new Checkpointer({
      directory: join(directory, 'ours'),
      shard,
      keep: 1,
      keepBest: 0,
    });
    const peer = await startTorchPeer('torch_checkpoint.py', [directory, String(shard.layout.length)]);
    const oursMs: number[] = [];
    const stallMs: number[] = [];
    const restoreMs: number[] = [];
    const peerMs: number[] = [];
    const peerLoadMs: number[] = [];
    // The first rounds warm files and allocators on both sides.
    for (let round = -2; round < rounds; round += 1) {
      // As training does: else nothing would have to be written.
      for (const { buffer } of shard.saved) perturb(buffer.values);
      const started = performance.now();
      const outcome = await save(checkpointer, round + 3);
      const ms = performance.now() - started;
      const theirs = await peer?.measureAll();
      const loadMs = await restore(outcome.checkpoint.path, shard);
      if (round < 0) continue;
      oursMs.push(ms);
      stallMs.push(outcome.stallMs);
      restoreMs.push(loadMs);
      if (theirs === undefined) continue;
      peerMs.push(theirs['ms'] ?? Number.NaN);
      peerLoadMs.push(theirs['loadMs'] ?? Number.NaN);
    }
    peer?.stop();
    const compare = (
      name: string,
      bar: number,
      values: readonly number[],
      peerValues: readonly number[],
      peerDoes: string,
    ): BenchLine => {
      const ours = median(values);
      const theirs = peer === undefined ? undefined : median(peerValues);
      return {
        bench: 'training',
        case: name,
        ours,
        peer: theirs,
        peerName: peer === undefined ? undefined : `torch ${peer.version} ${peerDoes}`,
        better: 'less',
        bar: `peer / ours >= ${bar}`,
        pass: theirs === undefined || theirs / ours >= bar,
        unit: 'ms',
        rounds: values,
      };
    };
    return [
      compare('checkpoint-save', 1.7, oursMs, peerMs, 'save + fsync'),
      compare('checkpoint-stall', 1.7, stallMs, peerMs, 'save + fsync'),
      compare('checkpoint-restore', 2, restoreMs, peerLoadMs, 'load'),
    ];
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function save(
  checkpointer: Checkpointer,
  step: number,
): Promise<Extract<SaveOutcome, { kind: 'saved' }>> {
  checkpointer.begin({
    step,
    position: 0,
    seed: 1,
    shape: {},
    dataDigest: '',
    optimizer: 'adamw',
    loss: undefined,
  });
  await checkpointer.written();
  const outcome = await checkpointer.settle(checkpointer.flags(), 1);
  if (outcome?.kind !== 'saved') throw new Error('the checkpoint was not saved', { cause: outcome });
  return outcome;
}

/** Both sides have read their file once before: it is in the page cache. */
async function restore(path: string, shard: ModelShard): Promise<number> {
  const checkpoint = await openCheckpoint(path);
  await readCheckpoint(checkpoint, config, shard);
  const started = performance.now();
  await readCheckpoint(checkpoint, config, shard);
  return performance.now() - started;
}

function perturb(values: Float32Array): void {
  for (let index = 0; index < values.length; index += 1) values[index] = (values[index] as number) * 1.0001;
}

function fillWithNoise(values: Float32Array): void {
  for (let index = 0; index < values.length; index += 1) values[index] = Math.random();
}
