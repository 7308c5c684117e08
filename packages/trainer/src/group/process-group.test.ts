import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { joinGroup, type ProcessGroup } from './process-group.ts';
import { RankLostError } from './rank-lost-error.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gantry-ring-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function joinAll(worldSize: number, timeoutMs = 5000): Promise<ProcessGroup[]> {
  return Promise.all(
    Array.from({ length: worldSize }, (_, rank) => joinGroup({ rank, worldSize, directory, timeoutMs })),
  );
}

async function leave(groups: readonly ProcessGroup[]): Promise<void> {
  await Promise.all(groups.map((group) => group[Symbol.asyncDispose]()));
}

describe('sums over a ring of ranks', () => {
  it('are right and bit-equal on every rank, for any size, any number of ranks and late starters', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.integer({ min: 0, max: 3000 }), { minLength: 1, maxLength: 4 }),
        fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 5, maxLength: 5 }),
        async (worldSize, lengths, turns) => {
          const groups = await joinAll(worldSize);
          const results = await Promise.all(
            groups.map(async (group, rank) => {
              const sums: Float32Array[] = [];
              for (const [call, length] of lengths.entries()) {
                // A rank that starts late must not be overtaken by what its neighbours already sent.
                for (let turn = 0; turn < (turns[rank] ?? 0); turn += 1) await new Promise(setImmediate);
                const values = Float32Array.from({ length }, (_, index) => (index % 97) * (rank + 1) + call);
                await group.allReduceSum(values);
                sums.push(values);
              }
              return sums;
            }),
          );
          await leave(groups);
          const factor = (worldSize * (worldSize + 1)) / 2;
          for (const [call, length] of lengths.entries()) {
            const expected = Float32Array.from({ length }, (_, i) => (i % 97) * factor + call * worldSize);
            for (const sums of results) expect(sums[call]).toEqual(expected);
          }
        },
      ),
      { numRuns: 15, seed: 11 },
    );
  });

  it('are the same bits on every rank where rounding depends on the order', async () => {
    const groups = await joinAll(3);
    const all = await Promise.all(
      groups.map(async (group, rank) => {
        const values = Float32Array.from(
          { length: 1001 },
          (_, index) => Math.sin(index * (rank + 1)) * 10 ** rank,
        );
        await group.allReduceSum(values);
        return values;
      }),
    );
    expect(all[1]).toEqual(all[0]);
    expect(all[2]).toEqual(all[0]);
    await leave(groups);
  });
});

describe('a missing rank', () => {
  it('is named by every other rank when it stays silent', async () => {
    const groups = await joinAll(4, 300);
    const outcomes = await Promise.allSettled(
      groups.filter(({ rank }) => rank !== 2).map((group) => group.allReduceSum(new Float32Array(64))),
    );
    for (const outcome of outcomes) {
      const reason = outcome.status === 'rejected' ? (outcome.reason as RankLostError) : undefined;
      expect(reason).toBeInstanceOf(RankLostError);
      expect(reason?.rank).toBe(2);
      expect(reason?.exitCode).toBe(75);
    }
    await leave(groups);
  });

  it('that gives a reason makes the others leave with its code', async () => {
    const groups = await joinAll(3);
    const [first, teller, last] = groups as [ProcessGroup, ProcessGroup, ProcessGroup];
    const waiting = [first, last].map((group) => group.allReduceSum(new Float32Array(8)));
    await teller.abort(64, 'The data is empty.');
    for (const outcome of await Promise.allSettled(waiting)) {
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { rank: 1, exitCode: 64, message: 'The data is empty.' },
      });
    }
    await leave(groups);
  });

  it('that never comes to the rendezvous is named', async () => {
    await expect(joinGroup({ rank: 0, worldSize: 2, directory, joinTimeoutMs: 50 })).rejects.toMatchObject({
      rank: 1,
      message: 'Rank 1 never came to the rendezvous.',
    });
  });
});
