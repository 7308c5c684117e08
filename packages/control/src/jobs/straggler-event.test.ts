import { expect, it } from 'vitest';
import { mergeProgress } from './live-progress.ts';
import { stragglerEvent } from './straggler-event.ts';

const at = '2026-11-21T00:00:00Z';
const named = (rank: number | null, slowdown: number | null = 2.345) =>
  ({ type: 'metric', at, values: { stragglerRank: rank, stragglerSlowdown: slowdown } }) as const;
const placement = [0, 1].map((rank) => ({ rank, node: `node-${rank}`, devices: [] }));

it('a straggler is told once, with its node, and again only when it is another or was none in between', () => {
  const first = mergeProgress(mergeProgress(undefined, { type: 'progress', at, step: 32 }), named(1));
  expect(stragglerEvent(undefined, first, placement)).toEqual({
    rank: 1,
    slowdown: 2.35,
    node: 'node-1',
    step: 32,
  });
  const still = mergeProgress(first, named(1, 3));
  expect(still.straggler).toEqual({ rank: 1, slowdown: 3 });
  expect(stragglerEvent(first, still, placement)).toBeUndefined();
  expect(stragglerEvent(still, mergeProgress(still, named(0)), placement)).toMatchObject({ rank: 0 });
  const gone = mergeProgress(still, named(null, null));
  expect(gone.straggler).toBeUndefined();
  expect(stragglerEvent(still, gone, placement)).toBeUndefined();
  expect(stragglerEvent(gone, mergeProgress(gone, named(1)), placement)).toMatchObject({ rank: 1 });
});
