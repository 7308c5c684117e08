import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { filesBelongTo } from './files-owner.ts';

it('files belong to the database that came first, whoever asks later', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'gantry-owner-'));
  try {
    expect(await filesBelongTo(dir, 'ten_one')).toBe(true);
    expect(await filesBelongTo(dir, 'ten_two')).toBe(false);
    expect(await filesBelongTo(dir, 'ten_one')).toBe(true);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
