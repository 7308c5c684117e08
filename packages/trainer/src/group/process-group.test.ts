import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom } from '@gantry/kit';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { freePort } from '../testing/free-port.ts';
import { allReduceAlgorithms, type AllReduceAlgorithm } from './collectives.ts';
import { evenParts } from './wire.ts';
import { joinWorld, type ProcessGroup, type World } from './process-group.ts';
import { createThreadMeeting, markGone } from './thread-meeting.ts';
import { RankLostError } from './rank-lost-error.ts';
import type { Transport } from './transport.ts';

let directory: string;
beforeEach(async () => {
  // A socket's path ends at about 100 bytes, which some machines' temporary folder has already.
  directory = await mkdtemp(join(tmpdir().length > 60 ? '/tmp' : tmpdir(), 'gantry-mesh-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const kinds = ['unix', 'threads'] as const;
/** Threads of one process share memory; that they are one thread here changes nothing for their links. */
function transportOf(kind: (typeof kinds)[number], worldSize: number): Transport {
  if (kind === 'unix') return { kind, directory };
  return { kind, meeting: createThreadMeeting(worldSize, 16 * 1024 * 1024) };
}

async function joinAll(
  worldSize: number,
  timeoutMs = 30_000,
  transport: Transport = transportOf('unix', worldSize),
): Promise<World[]> {
  return Promise.all(
    Array.from({ length: worldSize }, (_, rank) => joinWorld({ rank, worldSize, transport, timeoutMs })),
  );
}

async function leave(groups: readonly World[]): Promise<void> {
  await Promise.all(groups.map((group) => group[Symbol.asyncDispose]()));
}

/** A rank that starts late, or stops between calls, must not be overtaken by what its neighbours already sent. */
async function dawdle(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate);
}

/** Whole numbers: every order of adding gives the same sum. */
const valueAt = (rank: number, index: number): number => ((index * 7 + rank * 13) % 101) - 50;
const valuesOf = (rank: number, length: number): Float32Array =>
  Float32Array.from({ length }, (_, index) => valueAt(rank, index));
const sumOf = (size: number, length: number): Float32Array =>
  Float32Array.from({ length }, (_, index) => {
    let sum = 0;
    for (let rank = 0; rank < size; rank += 1) sum += valueAt(rank, index);
    return sum;
  });

type Call = (group: ProcessGroup, rank: number, length: number) => Promise<void>;

const calls: Readonly<Record<string, Call>> = {
  ...Object.fromEntries(
    (Object.keys(allReduceAlgorithms) as AllReduceAlgorithm[]).map((algorithm): [string, Call] => [
      `all-reduce ${algorithm}`,
      async (group, rank, length) => {
        const isPossible = algorithm !== 'halving-doubling' || [1, 2, 4, 8].includes(group.size);
        const values = valuesOf(rank, length);
        await group.allReduceSum(values, isPossible ? { algorithm } : {});
        expect(values).toEqual(sumOf(group.size, length));
      },
    ]),
  ),
  'reduce-scatter': async (group, rank, length) => {
    const parts = evenParts(length, group.size);
    const values = valuesOf(rank, length);
    await group.reduceScatterSum(values, parts);
    const own = parts[rank] as { from: number; to: number };
    expect(values.subarray(own.from, own.to)).toEqual(sumOf(group.size, length).subarray(own.from, own.to));
  },
  'all-gather of uneven parts': async (group, rank, length) => {
    // All of it lies with the last but one, or with nobody else when there is only one.
    const holder = Math.max(0, group.size - 2);
    const parts = Array.from({ length: group.size }, (_, of) =>
      of < holder
        ? { from: 0, to: 0 }
        : of === holder
          ? { from: 0, to: length }
          : { from: length, to: length },
    );
    const values = rank === holder ? valuesOf(9, length) : new Float32Array(length);
    await group.allGather(values, parts);
    expect(values).toEqual(valuesOf(9, length));
  },
  broadcast: async (group, rank, length) => {
    const root = group.size - 1;
    const values = rank === root ? valuesOf(root, length) : new Float32Array(length);
    await group.broadcast(values, root);
    expect(values).toEqual(valuesOf(root, length));
  },
  'all-to-all': async (group, rank, length) => {
    const sizeOf = (from: number, to: number): number => (from + 2 * to + length) % 50;
    const out = Array.from({ length: group.size }, (_, to) =>
      new Float32Array(sizeOf(rank, to)).fill(rank * 10 + to),
    );
    const into = Array.from({ length: group.size }, (_, from) => new Float32Array(sizeOf(from, rank)));
    await group.allToAll(out, into);
    for (const [from, values] of into.entries())
      expect(values).toEqual(new Float32Array(sizeOf(from, rank)).fill(from * 10 + rank));
  },
};

describe.each(kinds)('collectives over %s', (kind) => {
  it('give the right values on every rank: any algorithm, size, number of ranks, order of calls and delay', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.array(fc.tuple(fc.constantFrom(...Object.keys(calls)), fc.integer({ min: 0, max: 3000 })), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.integer(),
        async (worldSize, sequence, seed) => {
          const worlds = await joinAll(worldSize, 30_000, transportOf(kind, worldSize));
          await Promise.all(
            worlds.map(async (world, rank) => {
              const random = createRandom(seed + rank);
              for (const [name, length] of sequence) {
                await dawdle(random.below(12));
                await (calls[name] as Call)(world, rank, length);
              }
            }),
          );
          await leave(worlds);
        },
      ),
      { numRuns: 25, seed: 11 },
    );
  });

  it('are the same bits on every rank where rounding depends on the order', async () => {
    const worlds = await joinAll(4, 30_000, transportOf(kind, 4));
    for (const algorithm of Object.keys(allReduceAlgorithms) as AllReduceAlgorithm[]) {
      const all = await Promise.all(
        worlds.map(async (world, rank) => {
          const values = Float32Array.from(
            { length: 1001 },
            (_, index) => Math.sin(index * (rank + 1)) * 10 ** rank,
          );
          await world.allReduceSum(values, { algorithm });
          return values;
        }),
      );
      for (const values of all) expect(values).toEqual(all[0]);
    }
    await leave(worlds);
  });

  it('of subgroups share the links without mixing, and messages larger than a piece arrive whole', async () => {
    const worlds = await joinAll(4, 30_000, transportOf(kind, 4));
    const length = 700_001;
    await Promise.all(
      worlds.map(async (world, rank) => {
        const rows = world.subgroup(rank < 2 ? [0, 1] : [2, 3], 1);
        const columns = world.subgroup([rank % 2, (rank % 2) + 2], 2);
        const [one, other] = [valuesOf(rank, length), valuesOf(rank, 10)];
        await Promise.all([rows.allReduceSum(one), columns.allReduceSum(other)]);
        const pair = rank < 2 ? [0, 1] : [2, 3];
        expect(one[length - 1]).toBe(pair.reduce((sum, member) => sum + valueAt(member, length - 1), 0));
        expect(other[3]).toBe(valueAt(rank % 2, 3) + valueAt((rank % 2) + 2, 3));
        if (rank === 0) await world.send(3, one.subarray(0, 5));
        if (rank === 3) {
          const into = new Float32Array(5);
          await world.receive(0, into);
          expect(into[0]).toBe(valueAt(0, 0) + valueAt(1, 0));
        }
      }),
    );
    await leave(worlds);
  });

  it('send 2(n−1)/n of the elements a rank in a ring', async () => {
    const worlds = await joinAll(3, 30_000, transportOf(kind, 3));
    await Promise.all(
      worlds.map((world) => world.allReduceSum(new Float32Array(3000), { algorithm: 'ring' })),
    );
    for (const { sentElements } of worlds) expect(sentElements).toBe((2 * 2 * 3000) / 3);
    await leave(worlds);
  });

  it('send no more than a ring by halving and doubling, for a power of two', async () => {
    const worlds = await joinAll(4, 30_000, transportOf(kind, 4));
    await Promise.all(
      worlds.map((world) => world.allReduceSum(new Float32Array(4000), { algorithm: 'halving-doubling' })),
    );
    for (const { sentElements } of worlds) expect(sentElements).toBe((2 * 3 * 4000) / 4);
    await leave(worlds);
  });
});

describe('ranks over TCP', () => {
  it('find each other through rank 0, and sum', async () => {
    const transport = { kind: 'tcp', host: '127.0.0.1', port: await freePort(), token: 'secret' } as const;
    const worlds = await joinAll(3, 30_000, transport);
    await Promise.all(worlds.map((world, rank) => (calls['all-reduce ring'] as Call)(world, rank, 1000)));
    await leave(worlds);
  });

  it('turn away who lacks the token', async () => {
    const port = await freePort();
    const join = (rank: number, token: string) =>
      joinWorld({
        rank,
        worldSize: 2,
        transport: { kind: 'tcp', host: '127.0.0.1', port, token },
        joinTimeoutMs: 1500,
      });
    const outcomes = await Promise.allSettled([join(0, 'right'), join(1, 'wrong')]);
    expect(outcomes).toMatchObject([
      { status: 'rejected', reason: { message: 'Rank 1 never came to the rendezvous.' } },
      { status: 'rejected' },
    ]);
  });
});

describe.each(kinds)('a missing rank, over %s', (kind) => {
  const join = (worldSize: number, timeoutMs = 30_000): Promise<World[]> =>
    joinAll(worldSize, timeoutMs, transportOf(kind, worldSize));

  it('is named by every other rank when it stays silent, whatever the algorithm', async () => {
    for (const algorithm of Object.keys(allReduceAlgorithms) as AllReduceAlgorithm[]) {
      const worlds = await join(4, 300);
      const outcomes = await Promise.allSettled(
        worlds
          .filter(({ index }) => index !== 2)
          .map((world) => world.allReduceSum(new Float32Array(64), { algorithm })),
      );
      for (const outcome of outcomes) {
        const reason = outcome.status === 'rejected' ? (outcome.reason as RankLostError) : undefined;
        expect(reason).toBeInstanceOf(RankLostError);
        expect(reason?.message).toBe('Rank 2 has been silent for 0.3 s.');
        expect(reason?.exitCode).toBe(75);
      }
      await leave(worlds);
    }
  });

  it('beside another is named with it', async () => {
    const worlds = await join(4, 300);
    const [first, , , last] = worlds as [World, World, World, World];
    for (const outcome of await Promise.allSettled(
      [first, last].map((world) => world.allReduceSum(new Float32Array(64))),
    ))
      expect(outcome).toMatchObject({ reason: { message: 'Ranks 1, 2 have been silent for 0.3 s.' } });
    await leave(worlds);
  });

  it('that gives a reason makes the others leave with its code', async () => {
    const worlds = await join(3);
    const [first, teller, last] = worlds as [World, World, World];
    const waiting = [first, last].map((world) => world.allReduceSum(new Float32Array(8)));
    await teller.abort(64, 'The data is empty.');
    for (const outcome of await Promise.allSettled(waiting)) {
      expect(outcome).toMatchObject({
        status: 'rejected',
        reason: { rank: 1, exitCode: 64, message: 'The data is empty.' },
      });
    }
    await leave(worlds);
  });

  it('that leaves ends the wait of those who still sum', async () => {
    const worlds = await join(3);
    const [first, leaver] = worlds as [World, World, World];
    const waiting = first.allReduceSum(new Float32Array(8));
    await leaver[Symbol.asyncDispose]();
    await expect(waiting).rejects.toMatchObject({ rank: 1 });
    await leave(worlds);
  });

  it('that never comes to the rendezvous is named', async () => {
    const transport = transportOf(kind, 2);
    await expect(joinWorld({ rank: 0, worldSize: 2, transport, joinTimeoutMs: 50 })).rejects.toMatchObject({
      rank: 1,
      message: 'Rank 1 never came to the rendezvous.',
    });
  });
});

describe('a rank', () => {
  it('is not replaced by a stranger who speaks no frames', async () => {
    const transport: Transport = { kind: 'unix', directory };
    const waiting = joinWorld({ rank: 0, worldSize: 2, transport, joinTimeoutMs: 1500 });
    const stranger = connect(join(directory, 'rank-0.sock'));
    await new Promise<void>((resolve) => {
      stranger.once('close', () => resolve());
      stranger.once('connect', () => stranger.write('GET / HTTP/1.1\r\nhost: somewhere\r\n\r\n'));
      stranger.once('error', () => resolve());
    });
    await expect(waiting).rejects.toMatchObject({ rank: 1 });
  });
  it('whose thread ends is named by those who wait for it', async () => {
    const meeting = createThreadMeeting(3, 1024 * 1024);
    const worlds = await joinAll(3, 30_000, { kind: 'threads', meeting });
    const waiting = worlds.slice(1).map((world) => world.allReduceSum(new Float32Array(64)));
    markGone(meeting, 0);
    for (const outcome of await Promise.allSettled(waiting))
      expect(outcome).toMatchObject({ reason: { rank: 0, message: 'Rank 0 is gone: its thread ended.' } });
    await leave(worlds);
  });

  it('sends from its region without a copy and may change it afterwards', async () => {
    const meeting = createThreadMeeting(2, 16 * 1024 * 1024);
    const worlds = await joinAll(2, 30_000, { kind: 'threads', meeting });
    const [one, other] = worlds as [World, World];
    const values = one.arena.floats(1_000_000);
    for (let round = 0; round < 5; round += 1) {
      const before = one.arena.statistics().peakBytes;
      values.fill(round + 1);
      const into = other.arena.floats(values.length).fill(10);
      await Promise.all([one.allReduceSum(values), other.allReduceSum(into)]);
      expect([values[0], into.at(-1)]).toEqual([round + 11, round + 11]);
      expect(one.arena.statistics().peakBytes).toBe(before);
      other.arena.release(into);
    }
    await leave(worlds);
  });
});
