import { expect, test } from 'vitest';
import { killRounds } from './testing/kill-rounds.ts';
import { createScratchDir } from './testing/scratch-dir.ts';

test.runIf(process.platform === 'linux')(
  'whatever is killed, whenever: no job is lost or run twice, the books balance, nothing stays behind',
  async () => {
    await using dir = await createScratchDir('kill');
    const wrong: string[] = [];
    // One round each: server, shim, rank, engine, postmaster, backend, everything at once.
    for await (const result of killRounds({ dir: dir.path, rounds: 5, seed: 1 })) wrong.push(...result.wrong);
    expect(wrong).toEqual([]);
  },
  300_000,
);
