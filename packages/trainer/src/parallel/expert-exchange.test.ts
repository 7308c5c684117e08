import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { joinWorld } from '../group/index.ts';
import { ExpertExchange } from './expert-exchange.ts';

interface Arrival {
  /** What lies with this rank's experts, and what came back to it. */
  readonly tokens: readonly number[];
  readonly back: readonly number[];
  readonly sentElements: number;
}

/** Every element says which rank it is of and where it lies there: rank · 1000 + place. */
async function travel(ranks: number, experts: number, block: number): Promise<Arrival[]> {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-experts-'));
  const one = async (rank: number): Promise<Arrival> => {
    await using world = await joinWorld({ rank, worldSize: ranks, transport: { kind: 'unix', directory } });
    const exchange = new ExpertExchange(world, { experts, block }, world.arena);
    const own = Float32Array.from({ length: exchange.length }, (_, place) => rank * 1000 + place);
    const [tokens, back] = [new Float32Array(exchange.length), new Float32Array(exchange.length)];
    await exchange.toExperts(own, tokens);
    await exchange.fromExperts(tokens, back);
    const { sentElements } = world;
    await world.barrier();
    return { tokens: [...tokens], back: [...back], sentElements };
  };
  try {
    return await Promise.all(Array.from({ length: ranks }, (_, rank) => one(rank)));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

it('every token comes to its expert, expert by expert, and back to its own place', async () => {
  const sizes = [1, 3, 3].map((max) => fc.integer({ min: 1, max: max + 1 }));
  await fc.assert(
    fc.asyncProperty(
      ...(sizes as [fc.Arbitrary<number>, fc.Arbitrary<number>, fc.Arbitrary<number>]),
      async (extra, experts, block) => {
        const ranks = extra + 1;
        const arrivals = await travel(ranks, experts, block);
        for (const [rank, { tokens, back, sentElements }] of arrivals.entries()) {
          const expected = range(experts).flatMap((expert) =>
            range(ranks).flatMap((from) =>
              range(block).map((at) => from * 1000 + (rank * experts + expert) * block + at),
            ),
          );
          expect(tokens).toEqual(expected);
          expect(back).toEqual(range(back.length).map((place) => rank * 1000 + place));
          // Of all rows those that are not its own, there and back.
          expect(sentElements).toBe((2 * back.length * (ranks - 1)) / ranks);
        }
      },
    ),
    { seed: 3, numRuns: 8 },
  );
});
