import { expect, test } from 'vitest';
import { runClusterLives } from './cluster-life.ts';

/** `npm run soak` lives 10,000 of them. */
test('random clusters, node loss included: nothing overcommitted, gangs whole, limits kept, everybody told, nobody starved', () => {
  const count = Number(process.env['GANTRY_PROPERTY_RUNS'] ?? 120);
  expect(runClusterLives({ seed: 1, count })).toEqual([]);
}, 600_000);
