import { describe, expect, it } from 'vitest';
import type { EngineHealth } from '../deps.ts';
import { watchEngine } from './engine-watch.ts';

/** Plays the looks in order; the last one stays. Time passes only as waits. */
async function follow(looks: readonly EngineHealth[], turns: number) {
  const stop = new AbortController();
  const seen: (boolean | string)[] = [];
  let look = 0;
  let turn = 0;
  await watchEngine({
    places: {
      engineOrigin: async () => ({ port: 1 }),
      engineHealth: async () => looks[Math.min(look++, looks.length - 1)] ?? 'unreachable',
    },
    workerId: 'w',
    signal: stop.signal,
    wait: async () => {
      if (++turn >= turns) stop.abort();
    },
    onReadiness: async (_origin, isReady) => {
      seen.push(isReady);
    },
    onGivenUp: async (reason) => {
      seen.push(reason);
    },
  });
  return seen;
}

describe('watchEngine', () => {
  it('tells once when the engine is ready, and again whenever that changes', async () => {
    const looks = ['unreachable', 'unready', 'ready', 'ready', 'unready', 'unready', 'ready'] as const;
    expect(await follow(looks, 20)).toEqual([true, false, true]);
  });

  it('bears a look that finds nobody, and gives up on lasting silence', async () => {
    expect(await follow(['ready', 'unreachable', 'ready'], 20)).toEqual([true]);
    expect(await follow(['ready', 'unreachable'], 20)).toEqual([
      true,
      expect.stringContaining('did not answer for 30 s'),
    ]);
  });

  it('gives up on an engine that does not become ready', async () => {
    expect(await follow(['unready'], 10_000)).toEqual([expect.stringContaining('not ready within 120 s')]);
  });
});
