import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { killRounds, processesOf, until, wrongWith } from './testing/kill-rounds.ts';

test.runIf(process.platform === 'linux')(
  'a job runs exactly once whenever its server is killed, and again when its shim is; nothing stays behind',
  async () => {
    const dir = await mkdtemp(join(tmpdir(), 'gantry-kill-'));
    try {
      const wrong: string[] = [];
      for await (const result of killRounds({ dir, rounds: 4, seed: 1 })) wrong.push(...wrongWith(result));
      expect(wrong).toEqual([]);
      await until(async () => (await processesOf(dir)).length === 0);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  },
  90_000,
);
