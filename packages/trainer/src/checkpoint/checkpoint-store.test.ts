import { mkdir, mkdtemp, open, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  pruneCheckpoints,
  readNewest,
  saveCheckpoint,
  writeDurably,
  type TrainingBuffers,
} from './checkpoint-store.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gantry-checkpoint-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const buffersOf = (value: number): TrainingBuffers => ({
  parameters: new Float32Array(100).fill(value),
  first: new Float32Array(100).fill(value * 2),
  second: new Float32Array(100).fill(value * 3),
});
const save = (step: number, write = writeDurably) =>
  saveCheckpoint(
    directory,
    { step, position: step * 16, seed: 7, shape: { width: 4 }, dataDigest: 'abc', loss: 1 },
    buffersOf(step),
    write,
  );

describe('checkpoints', () => {
  it('come back with every number, step and position', async () => {
    await save(5);
    const saved = await save(12);
    const buffers = buffersOf(0);
    const { found, damaged } = await readNewest(directory, buffers);
    expect(found).toMatchObject({ ...saved, manifest: { step: 12, position: 192, seed: 7 } });
    expect(damaged).toEqual([]);
    expect(buffers).toEqual(buffersOf(12));
  });

  const injuries: Record<string, (path: string) => Promise<void>> = {
    'a flipped byte': async (path) => {
      await using file = await open(join(path, 'adam-first.f32'), 'r+');
      await file.write(Uint8Array.of(9), 0, 1, 17);
    },
    'a cut file': (path) => truncate(join(path, 'parameters.f32'), 12),
    'a missing file': (path) => rm(join(path, 'adam-second.f32')),
    'no manifest': (path) => rm(join(path, 'manifest.json')),
    'a manifest of another step': async (path) => {
      const text = await readFile(join(path, 'manifest.json'), 'utf8');
      await writeFile(join(path, 'manifest.json'), text.replace('"step": 12', '"step": 13'));
    },
  };
  for (const [name, injure] of Object.entries(injuries)) {
    it(`with ${name} are passed over and named`, async () => {
      await save(5);
      const { path } = await save(12);
      await injure(path);
      const buffers = buffersOf(0);
      const { found, damaged } = await readNewest(directory, buffers);
      expect(found?.step).toBe(5);
      expect(damaged).toMatchObject([{ path }]);
      expect(buffers).toEqual(buffersOf(5));
    });
  }

  it('on a full disk fail whole: nothing half is left and the previous one stays', async () => {
    await save(5);
    let writes = 0;
    const full = save(12, async (path, bytes) => {
      writes += 1;
      if (writes === 3) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
      await writeDurably(path, bytes);
    });
    await expect(full).rejects.toMatchObject({ code: 'ENOSPC' });
    expect(await readdir(directory)).toEqual(['step-00000005']);
  });

  it('are kept by number, and what a killed save left is cleared', async () => {
    for (const step of [1, 2, 3, 4]) await save(step);
    await mkdir(join(directory, 'step-00000009.part'));
    await pruneCheckpoints(directory, 2);
    expect((await readdir(directory)).sort()).toEqual(['step-00000003', 'step-00000004']);
  });
});
