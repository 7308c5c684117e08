import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { asidePath, commitCheckpoint, listCheckpoints, pruneCheckpoints } from './checkpoint-folder.ts';
import { shardRecordPath } from './shard-writer.ts';

const losses = [5, 1, 4, 3, 6, 2, 7, 8];

it('keeps the newest, those of lowest loss and every so many', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-kept-'));
  try {
    for (const [index, loss] of losses.entries()) {
      const state = {
        step: (index + 1) * 10,
        position: 0,
        seed: 1,
        shape: {},
        dataDigest: '',
        optimizer: 'adamw',
      };
      const aside = asidePath(directory, state.step);
      await mkdir(aside);
      await writeFile(
        shardRecordPath(aside, 0),
        JSON.stringify({ rank: 0, bytes: 0, files: [], blocks: [] }),
      );
      await commitCheckpoint(directory, { ...state, loss }, { data: 1, tensor: 1, pipeline: 1 });
    }
    const kept = async (): Promise<number[]> =>
      (await listCheckpoints(directory)).map(({ step }) => step).toReversed();
    await pruneCheckpoints(directory, { last: 2, best: 2, every: 30 });
    expect(await kept()).toEqual([20, 30, 40, 60, 70, 80]);
    await pruneCheckpoints(directory, { last: 2, best: 0, every: 60 });
    expect(await kept()).toEqual([60, 70, 80]);
    await pruneCheckpoints(directory, { last: 1, best: 0, every: undefined });
    expect(await kept()).toEqual([80]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
