/** A version is made smaller, measured and let through by jobs: queued, started, logged and paid for like any other. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Job, JobSpecInput } from '@gantry/contract';
import { cycle, writePermutationModel } from '@gantry/engines/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runJob } from '../e2e/testing/follow.ts';
import { type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';

let home: MemoryServer;
let folder: string;
beforeAll(async () => {
  home = await startMemoryServer();
  folder = await mkdtemp(join(tmpdir(), 'gantry-work-'));
});
afterAll(async () => {
  await home[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const run = (spec: JobSpecInput): Promise<Job> => runJob(home.operator, { workdir: folder, ...spec });

const versionOf = async (number: number) => {
  const { items } = await home.operator.call('models.versions', { params: { name: 'lm' } });
  return items.find((version) => version.number === number);
};

it('goes from a conversion to production without a number that a client made up', async () => {
  const { operator } = home;
  const original = join(folder, 'original.gguf');
  await writePermutationModel(original, { seed: 1 });
  await operator.call('models.import', { body: { name: 'lm', path: original } });

  const made = await run({ convert: { model: 'lm', type: 'Q8_0' }, register: 'lm' });
  expect(made).toMatchObject({
    state: 'succeeded',
    modelVersion: 'lm@2',
    name: expect.stringMatching(/^convert-/),
  });
  expect(made.deviceSeconds).toBeGreaterThan(0);
  const small = await versionOf(2);
  expect(small?.lineage).toMatchObject({
    derivedFrom: 'lm@1',
    tool: 'quantize Q8_0',
    job: made.name,
    versions: { node: process.version },
  });
  expect(small?.metrics['bytesAfter']).toBeLessThan((small?.metrics['bytesBefore'] ?? 0) / 2);

  const promote = () =>
    operator.call('models.alias', { params: { name: 'lm', alias: 'production' }, body: { version: 2 } });
  await expect(promote()).rejects.toMatchObject({ code: 'gate_not_passed' });
  const data = { digest: `sha256:${'0'.repeat(64)}`, bytes: 10 };
  const comparison = {
    positions: 9,
    meanKl: 0,
    topAgreement: 1,
    sourcePerplexity: 1,
    candidatePerplexity: 1,
  };
  const said = await operator.call('models.evaluate', {
    params: { name: 'lm', number: '2' },
    body: { against: 'lm@1', comparison, data },
  });
  expect(said.gate.state).toBe('missing');

  await writeFile(join(folder, 'held-out.txt'), cycle.repeat(12));
  // Longer than the model's context: scored in pieces.
  const measured = await run({ evaluate: { model: 'lm@2', data: 'held-out.txt', window: 700 } });
  expect(measured.state).toBe('succeeded');
  const passed = await versionOf(2);
  expect(passed?.gate).toEqual({ state: 'passed', why: [] });
  const [evaluation] = passed?.evaluations ?? [];
  expect(evaluation).toMatchObject({ against: 'lm@1', job: measured.name });
  expect(evaluation?.comparison?.topAgreement).toBeGreaterThan(0.99);
  expect(evaluation?.comparison?.meanKl).toBeLessThan(0.01);
  await promote();
});

it('lets an ONNX language model through by what a job measured of its text', async () => {
  const made = await run({ convert: { model: 'lm@1', format: 'onnx', type: 'int8' }, register: 'lm' });
  expect(made).toMatchObject({ state: 'succeeded', modelVersion: 'lm@3' });
  expect((await versionOf(3))?.formats).toEqual(['onnx']);
  const measured = await run({ evaluate: { model: 'lm@3', data: 'held-out.txt', window: 700 } });
  expect(measured.state).toBe('succeeded');
  const version = await versionOf(3);
  expect(version?.gate).toEqual({ state: 'passed', why: [] });
  expect(version?.evaluations?.[0]?.comparison).toMatchObject({ topAgreement: 1 });
  await home.operator.call('models.alias', {
    params: { name: 'lm', alias: 'production' },
    body: { version: 3 },
  });
});

it('keeps to itself where an imported file lay', async () => {
  expect((await versionOf(1))?.lineage).toMatchObject({ importedFrom: 'original.gguf' });
});

it('says what is wrong with a wish before it is queued, and with a file when it is read', async () => {
  const refused = (body: unknown) => home.ask('POST', '/api/v1/jobs', { key: home.operatorKey, body });
  const codes = [
    await refused({ convert: { model: 'ghost', type: 'Q8_0' } }),
    await refused({ convert: { model: 'lm', format: 'onnx', type: 'Q4_K' } }),
    await refused({ convert: { model: 'lm' } }),
    await refused({ convert: { model: 'lm', type: 'F16' }, command: 'true' }),
    await refused({ evaluate: { model: 'lm@1', against: 'lm@1', data: 'x' } }),
  ].map(({ body }) => body.error.code);
  expect(codes).toEqual(['not_found', ...Array.from({ length: 4 }, () => 'validation_failed')]);
  const unfit = await run({ convert: { model: 'lm@1', type: 'int8' }, register: 'lm' });
  expect(unfit.exitMessage).toContain('lm@1 holds gguf, which takes no int8');
  await writeFile(join(folder, 'broken.gguf'), 'GGUF?');
  const broken = await run({ convert: { path: 'broken.gguf', type: 'Q8_0' }, register: 'lm' });
  expect(broken).toMatchObject({ state: 'failed', exitClass: 'user_error' });
  expect(broken.exitMessage).toMatch(/^format_/);
});
