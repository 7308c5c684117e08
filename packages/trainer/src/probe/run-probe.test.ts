import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runProbe } from './run-probe.ts';

let folder = '';
let said = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-probe-'));
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    said = String(text);
    return true;
  });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true, force: true });
});

describe('a probe', () => {
  it.each([['none'], ['layer']])('says what a step takes, with recompute %s', async (recompute) => {
    const specFile = join(folder, 'spec.json');
    const train = {
      recipe: 'language-model',
      data: ['none'],
      depth: 2,
      width: 32,
      heads: 2,
      steps: 2,
      sequenceLength: 16,
      batchTokens: 64,
      vocabularySize: 300,
    };
    await writeFile(specFile, JSON.stringify({ train, parallel: { recompute } }));
    const env = { GANTRY_RUN_DIR: folder, GANTRY_SPEC_FILE: specFile, GANTRY_RENDEZVOUS: folder };
    expect(await runProbe(env)).toBe(0);
    const answer = JSON.parse(said) as {
      readonly baseBytes: number;
      readonly peakBytes: number;
      readonly seconds: Readonly<Record<string, number>>;
    };
    expect(answer.peakBytes).toBeGreaterThanOrEqual(answer.baseBytes);
    expect(answer.seconds['compute']).toBeGreaterThan(0);
    expect(answer.seconds['update']).toBeGreaterThan(0);
  });
});
