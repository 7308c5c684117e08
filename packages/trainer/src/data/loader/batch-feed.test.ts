import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createBatchOrder, createSequenceSampler, type BatchOrder } from '@gantry/training/sampler';
import { sequencesOf } from '../shard-set.ts';
import { packTokens, writeShard, type TokenShard } from '../token-shard.ts';
import { openBatchFeed } from './open-batch-feed.ts';

const time = 4;
const microSequences = 3;
let directory: string;
let shards: TokenShard[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gantry-loader-'));
  const lengths = [101, 3, 38];
  shards = await Promise.all(
    lengths.map(async (length, shard) => {
      const ids = Array.from({ length }, (_, index) => shard * 1000 + index);
      const written = await writeShard(directory, packTokens(ids, shard === 2 ? 'u32' : 'u16'));
      return { ...written, path: join(directory, written.path) };
    }),
  );
});
afterEach(async () => rm(directory, { recursive: true, force: true }));

const orderOf = (dataIndex = 0, dataRanks = 1): BatchOrder =>
  createBatchOrder({
    sampler: createSequenceSampler(sequencesOf(shards, time).sequences, 7),
    globalSequences: 5,
    microSequences,
    microBatches: 2,
    dataIndex,
    dataRanks,
  });

async function readAll(
  workers: number,
  addresses: readonly { position: number; index: number }[],
): Promise<number[][]> {
  const batches: number[][] = [];
  await using feed = openBatchFeed({ shards, order: orderOf(), time, microSequences, workers, prefetch: 2 });
  const target = { tokens: new BigInt64Array(12), targets: new BigInt64Array(12) };
  for (const address of addresses) {
    const count = await feed.load(address, target);
    batches.push([...target.tokens.subarray(0, count * time)].map(Number));
    expect([...target.targets.subarray(0, count * time)].map(Number)).toEqual(
      batches.at(-1)?.map((token) => token + 1),
    );
  }
  expect(feed.statistics().tokens).toBe(batches.flat().length);
  return batches;
}

const steps = (from: number, count: number): { position: number; index: number }[] =>
  Array.from({ length: count * 2 }, (_, index) => ({
    position: from + Math.floor(index / 2) * 5,
    index: index % 2,
  }));

describe('feeding a rank', () => {
  it('gives the same batches by any number of threads, over shards of any width', async () => {
    const alone = await readAll(0, steps(0, 14));
    expect(await readAll(1, steps(0, 14))).toEqual(alone);
    expect(await readAll(3, steps(0, 14))).toEqual(alone);
    // 25 sequences of the first shard, none of the second, 9 of the third: an epoch, each once.
    const firstEpoch = alone.flat().slice(0, 34 * time);
    expect(new Set(firstEpoch).size).toBe(34 * time);
  });

  it('goes on from wherever it is asked, back and forth', async () => {
    const addresses = [...steps(0, 3), ...steps(50, 2), ...steps(5, 2)];
    expect(await readAll(2, addresses)).toEqual(await readAll(0, addresses));
  });

  it('reads ahead no more than `workers` × `prefetch` micro-batches, and goes on when one is taken', async () => {
    const order = orderOf();
    const asked: number[] = [];
    const counted: BatchOrder = {
      after: (address) => order.after(address),
      sequencesOf: (address) => {
        asked.push(address.position * 2 + address.index);
        return order.sequencesOf(address);
      },
    };
    await using feed = openBatchFeed({
      shards,
      order: counted,
      time,
      microSequences,
      workers: 2,
      prefetch: 3,
    });
    const target = { tokens: new BigInt64Array(12), targets: new BigInt64Array(12) };
    for (const [taken, address] of steps(0, 5).entries()) {
      await feed.load(address, target);
      // Those that were taken, and six that are read or on their way.
      expect(asked).toHaveLength(taken + 1 + 2 * 3);
    }
    expect(new Set(asked).size).toBe(asked.length);
  });

  it.each([0, 2])('names a damaged shard, with %i threads', async (workers) => {
    const path = shards[0]?.path as string;
    const bytes = await readFile(path);
    bytes[100] = (bytes[100] as number) ^ 1;
    await writeFile(path, bytes);
    await expect(readAll(workers, steps(0, 9))).rejects.toMatchObject({ code: 'data_corrupt' });
  });
});

describe('sharing the order', () => {
  it('loses and repeats no sequence when the number of ranks changes in the middle of an epoch', () => {
    const world = fc.integer({ min: 1, max: 7 });
    fc.assert(
      fc.property(
        fc.array(world, { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 5, max: 90 }),
        (worlds, globalSequences, sequences) => {
          const read: number[] = [];
          for (const [step, ranks] of worlds.entries()) {
            const perRank = Math.ceil(globalSequences / ranks);
            const micro = Math.max(1, Math.ceil(perRank / 2));
            for (let rank = 0; rank < ranks; rank += 1) {
              const order = createBatchOrder({
                sampler: createSequenceSampler(sequences, 3),
                globalSequences,
                microSequences: micro,
                microBatches: Math.ceil(perRank / micro),
                dataIndex: rank,
                dataRanks: ranks,
              });
              let address = { position: step * globalSequences, index: 0 };
              while (address.position === step * globalSequences) {
                read.push(...order.sequencesOf(address));
                address = order.after(address);
              }
            }
          }
          const alone = createSequenceSampler(sequences, 3);
          const expected = Array.from({ length: worlds.length * globalSequences }, (_, at) =>
            alone.sequenceAt(at),
          );
          expect(read).toEqual(expected);
        },
      ),
      { seed: 11, numRuns: 200 },
    );
  });
});
