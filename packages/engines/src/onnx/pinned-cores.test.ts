import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultBatchPolicy } from '@gantry/serving';
import { expect, it } from 'vitest';
import { perceptron } from '../testing/tensor-models.ts';
import { affinities, allowedCores, coresOf, parseCores } from './pinned-cores.ts';
import { createTensorEngine } from './create-tensor-engine.ts';
import { computeZeros } from './warm-up.ts';

it('gives instances cores of their own, while there are enough', () => {
  const cores = parseCores('0-3,8,10-11');
  expect(cores).toEqual([0, 1, 2, 3, 8, 10, 11]);
  expect(coresOf(0, 3, cores)).toEqual([1, 2]);
  expect(coresOf(1, 3, cores)).toEqual([8, 10]);
  expect(coresOf(2, 3, cores)).toBeUndefined();
  expect(coresOf(0, 1, cores)).toBeUndefined();
  expect(affinities([1, 8])).toBe('2;9');
});

const allowed = (await allowedCores()) ?? [];

it.skipIf(allowed.length < 2)('pins the threads that compute to those cores', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-pinned-'));
  const modelPath = join(folder, 'model.onnx');
  await writeFile(modelPath, perceptron([64, 64]));
  const options = { modelPath, threads: 2, policy: defaultBatchPolicy, isBatchDeclared: false };
  const pinned = (): number =>
    readdirSync('/proc/self/task').filter((task) => {
      const status = readFileSync(`/proc/self/task/${task}/status`, 'utf8');
      return status.includes(`Cpus_allowed_list:\t${allowed[1]}\n`);
    }).length;
  try {
    const before = pinned();
    await using engine = await createTensorEngine({ ...options, isPinned: true });
    await computeZeros(engine, { isBatchDeclared: false });
    expect(pinned()).toBe(before + 1);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
