import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { jobSpecSchema } from '@gantry/contract';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';

const jobs = globSync('torch-*/job.yaml', { cwd: import.meta.dirname }).toSorted();

// `npm run test:interop` runs each of them; here only what needs no Python.
describe('every torch example is a job file beside the script it names', () => {
  test.each(jobs)('%s', (name) => {
    const file = join(import.meta.dirname, name);
    const spec = jobSpecSchema.parse(parse(readFileSync(file, 'utf8')));
    expect(spec.framework).toBe('torch');
    expect(spec.command).toMatch(/\btrain\.py\b/);
    expect(existsSync(join(dirname(file), 'train.py'))).toBe(true);
  });

  test('from DataParallel to DeepSpeed', () => {
    expect(jobs.map(dirname)).toEqual(
      ['accelerate', 'dataparallel', 'ddp', 'deepspeed-config', 'fsdp', 'hf-trainer'].map(
        (name) => `torch-${name}`,
      ),
    );
  });
});
