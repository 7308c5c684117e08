/**
 * Batches of 8 × 256 tokens out of a shuffled shard of 16 M tokens: beside torch's DataLoader with workers on the
 * same file, and beside what the model of step.ts eats. Rounds alternate.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBatchFeed } from '../../packages/trainer/src/data/loader/index.ts';
import { packTokens, writeShard } from '../../packages/trainer/src/data/token-shard.ts';
import { sequencesOf } from '../../packages/trainer/src/data/index.ts';
import { createBatchOrder, createSequenceSampler } from '../../packages/training/src/sampler/index.ts';
import type { BenchLine } from '../bench-line.ts';
import { median } from './median.ts';
import { ourStep } from './step.ts';
import { startTorchPeer } from './torch-peer.ts';

const tokens = 16 * 1024 * 1024;
const [length, batch] = [256, 8];
const batchesARound = 400;
const rounds = 9;
const bars = { consumption: 20, peer: 1 } as const;
const workerCounts = [0, 1, 2];

export async function tokenLoader(): Promise<BenchLine[]> {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-bench-loader-'));
  try {
    const ids = Array.from({ length: tokens }, (_, index) => (index * 7919) % 50_257);
    const shard = await writeShard(directory, packTokens(ids, 'u16'));
    const path = join(directory, shard.path);
    const lines: BenchLine[] = [];
    for (const workers of workerCounts) lines.push(await compare({ ...shard, path }, workers));
    lines.push(await beside(lines[0] as BenchLine));
    return lines;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function compare(shard: Awaited<ReturnType<typeof writeShard>>, workers: number): Promise<BenchLine> {
  const order = createBatchOrder({
    sampler: createSequenceSampler(sequencesOf([shard], length).sequences, 1),
    globalSequences: batch,
    microSequences: batch,
    microBatches: 1,
    dataIndex: 0,
    dataRanks: 1,
  });
  const options = { shards: [shard], order, time: length, microSequences: batch, workers, prefetch: 4 };
  await using feed = openBatchFeed(options);
  const target = {
    tokens: new BigInt64Array(batch * length),
    targets: new BigInt64Array(batch * length),
  };
  const args = [shard.path, tokens, length, batch, workers, batchesARound].map(String);
  const peer = await startTorchPeer('torch_loader.py', args);
  const [ours, theirs]: [number[], number[]] = [[], []];
  const perSecond = (ms: number): number => (batchesARound * batch * length) / (ms / 1000) / 1e6;
  let position = 0;
  for (let round = -1; round < rounds; round += 1) {
    const startedMs = performance.now();
    for (let index = 0; index < batchesARound; index += 1, position += batch)
      await feed.load({ position, index: 0 }, target);
    const ms = performance.now() - startedMs;
    const theirMs = await peer?.measure();
    if (round < 0) continue;
    ours.push(perSecond(ms));
    if (theirMs !== undefined) theirs.push(perSecond(theirMs));
  }
  peer?.stop();
  const theirMedian = peer === undefined ? undefined : median(theirs);
  const ourMedian = median(ours);
  return {
    bench: 'training',
    case: `token-loader-${workers}-workers`,
    ours: ourMedian,
    peer: theirMedian,
    peerName: peer === undefined ? undefined : `torch ${peer.version} DataLoader, ${workers} workers`,
    better: 'more',
    bar: `ours / peer >= ${bars.peer}`,
    pass: theirMedian === undefined || ourMedian / theirMedian >= bars.peer,
    unit: 'M tokens/s',
    rounds: ours,
  };
}

async function beside({ ours, rounds: values }: BenchLine): Promise<BenchLine> {
  const step = await ourStep('blocked');
  const timesMs = [await step(), await step(), await step()];
  const eaten = (batch * length) / (median(timesMs) / 1000) / 1e6;
  return {
    bench: 'training',
    case: 'token-loader-beside-model',
    ours,
    peer: eaten,
    peerName: 'what one rank of step.ts eats',
    better: 'more',
    bar: `ours / peer >= ${bars.consumption}`,
    pass: ours / eaten >= bars.consumption,
    unit: 'M tokens/s',
    rounds: values,
  };
}
