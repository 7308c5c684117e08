import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NativeContext } from './native.ts';
import { ParkedFiles } from './parked-files.ts';

let root: string;
let isFull: boolean;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gantry-parked-'));
  isFull = false;
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** Ten bytes a token. */
const context = {
  saveSequenceStateToFile: async (path: string, _lane: number, tokens: Uint32Array) => {
    await writeFile(path, Buffer.alloc(tokens.length * 10));
    if (isFull) throw new Error('no space left on device');
    return tokens.length;
  },
  loadSequenceStateFromFile: async () => new Uint32Array(32),
  removeTokenCellsFromSequence: () => true,
} as unknown as NativeContext;

const files = async (): Promise<number> => {
  const [own = ''] = await readdir(root);
  return (await readdir(join(root, own))).length;
};

describe('ParkedFiles', () => {
  it('keeps a file as long as one of its slots is found in it', async () => {
    await using parked = await ParkedFiles.open({ folder: root, bytes: 10_000 }, context, 64);
    expect(await parked.park(0, [0, 1], 32)).toEqual([]);
    expect(await parked.park(1, [1, 2], 32)).toEqual([]);
    expect(await files()).toBe(2);
    await parked.restore(0, 3, 16);
    await parked.park(2, [0], 16);
    expect(await files()).toBe(2);
    await expect(parked.restore(7, 3, 16)).rejects.toThrow('not in the tier');
    await expect(parked.restore(2, 3, 48)).rejects.toThrow('32 tokens of 48 came back');
  });

  it('stays within its bytes by the real size of files, the oldest first, and tells whose they were', async () => {
    await using parked = await ParkedFiles.open({ folder: root, bytes: 700 }, context, 64);
    await parked.park(0, [0, 1], 32);
    await parked.park(1, [2], 32);
    expect(await parked.park(2, [3, 4], 32)).toEqual([0, 1]);
    expect(await files()).toBe(2);
    // More than there is room for at all: it goes at once.
    expect(new Set(await parked.park(3, [5], 80))).toEqual(new Set([2, 3, 4, 5]));
    expect(await files()).toBe(0);
  });

  it('leaves nothing of a file that could not be written, and goes with the engine', async () => {
    const parked = await ParkedFiles.open({ folder: root, bytes: 700 }, context, 64);
    isFull = true;
    await expect(parked.park(0, [0], 16)).rejects.toThrow('no space');
    expect(await files()).toBe(0);
    await parked[Symbol.asyncDispose]();
    expect(await readdir(root)).toEqual([]);
  });
});
