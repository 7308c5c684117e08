import { GantryError } from '@gantry/contract';
import { describe, expect, it } from 'vitest';
import { untilStored } from './until-stored.ts';

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
const away = new GantryError('store_unavailable', 'away');

describe('a write while the database is away', () => {
  it('is done again until it is taken', async () => {
    let tries = 0;
    const signal = new AbortController().signal;
    const result = await untilStored(
      async () => {
        tries += 1;
        if (tries < 3) throw away;
        return tries;
      },
      { log: silent, signal, firstDelayMs: 1 },
    );
    expect(result).toBe(3);
  });

  it('fails at once for any other reason', async () => {
    const write = async (): Promise<void> => {
      throw new GantryError('version_conflict', 'moved');
    };
    const { signal } = new AbortController();
    await expect(untilStored(write, { log: silent, signal })).rejects.toThrow('moved');
  });

  it('is given up when the server stops', async () => {
    const stop = new AbortController();
    const waiting = untilStored(async () => Promise.reject(away), {
      log: { ...silent, warn: () => queueMicrotask(() => stop.abort()) },
      signal: stop.signal,
      firstDelayMs: 1_000_000,
    });
    await expect(waiting).rejects.toThrow('away');
  });
});
