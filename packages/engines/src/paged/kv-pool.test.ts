/** The pool of blocks, and the disk behind it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { KvPool } from './kv-pool.ts';

describe('KvPool', () => {
  it('says so when the disk behind it fails, and keeps what it holds', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gantry-kv-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const room = {
      planes: 2,
      blocks: 3,
      kvHeads: 1,
      tokensPerBlock: 2,
      headWidth: 2,
      memorySlots: 1,
      diskSlots: 1,
    };
    const pool = new KvPool({ ...room, folder });
    for (const [at, plane] of pool.planes.entries()) plane.fill(at + 1, 0, 4);
    pool.move([
      { kind: 'spill', block: 0, slot: 0 },
      { kind: 'spill', block: 0, slot: 1 },
      { kind: 'copy', from: 2, to: 0 },
      { kind: 'fetch', slot: 1, block: 1 },
      { kind: 'fetch', slot: 0, block: 2 },
    ]);
    expect(pool.planes.map((plane) => [...plane])).toEqual([
      [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1],
      [0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2],
    ]);
    pool[Symbol.dispose]();
    expect(() => pool.move([{ kind: 'spill', block: 1, slot: 1 }])).toThrow();
    expect(() => new KvPool({ ...room, folder: join(folder, 'absent') })).toThrow('ENOENT');
  });
});
