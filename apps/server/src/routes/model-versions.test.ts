/** The gate of a model over the API: what a quantised version must show before it may take traffic. */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writePermutationModel } from '@gantry/engines/testing';
import { sumModel } from '@gantry/engines/testing/tensor-models';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';

let home: MemoryServer;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-gate-'));
  home = await startMemoryServer();
}, 180_000);
afterAll(async () => {
  await home[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const data = { digest: `sha256:${'0'.repeat(64)}`, bytes: 10 };
const near = {
  positions: 500,
  meanKl: 0.001,
  topAgreement: 0.99,
  sourcePerplexity: 3,
  candidatePerplexity: 3.01,
};

test('a quantised version takes traffic and names only once it was found near its source, or by an admin’s word', async () => {
  const { operator } = home;
  const original = join(folder, 'original.gguf');
  const small = join(folder, 'small.gguf');
  await writePermutationModel(original, { seed: 1 });
  await writePermutationModel(small, { seed: 2 });
  await operator.call('models.import', { body: { name: 'lm', path: original } });
  const digest = `sha256:${createHash('sha256')
    .update(await readFile(original))
    .digest('hex')}`;
  const made = await operator.call('models.import', {
    body: { name: 'lm', path: small, source: { tool: 'quantize Q4_0', digest } },
  });
  expect(made.lineage).toMatchObject({ derivedFrom: 'lm@1', tool: 'quantize Q4_0' });
  expect(made.gate).toEqual({ state: 'missing', why: ['it was never compared with lm@1'] });

  await operator.call('endpoints.create', { body: { name: 'chat', model: 'lm@1', replicas: 0 } });
  // Under a name of its own it may be served: how else would it be evaluated?
  await operator.call('endpoints.create', { body: { name: 'small', model: 'lm@2', replicas: 0 } });
  const params = { name: 'chat' };
  const attempts = {
    update: (query = {}) => operator.call('endpoints.update', { params, query, body: { model: 'lm@2' } }),
    rollout: (query = {}) => operator.call('endpoints.rollout', { params, query, body: { to: 'lm@2' } }),
    alias: (query = {}) =>
      operator.call('models.alias', {
        params: { name: 'lm', alias: 'production' },
        query,
        body: { version: 2 },
      }),
  };
  for (const attempt of Object.values(attempts))
    await expect(attempt()).rejects.toMatchObject({ code: 'gate_not_passed' });
  // A shadow answers nobody; its promotion does.
  await operator.call('endpoints.rollout', { params, body: { to: 'lm@2', mode: 'shadow' } });
  await expect(operator.call('endpoints.promote', { params })).rejects.toMatchObject({
    code: 'gate_not_passed',
  });

  // What a client says counts where the model's gate says so.
  const believing = { required: 'derived', evidence: 'reported' } as const;
  await operator.call('models.gate', { params: { name: 'lm' }, body: believing });
  const evaluate = (comparison: typeof near) =>
    operator.call('models.evaluate', {
      params: { name: 'lm', number: '2' },
      body: { against: 'lm@1', comparison, data },
    });
  expect((await evaluate({ ...near, topAgreement: 0.4 })).gate).toMatchObject({ state: 'failed' });
  await expect(attempts.alias()).rejects.toMatchObject({ code: 'gate_not_passed' });
  await attempts.alias({ override: 'demo for the board' });
  const told = (await operator.call('events.list', { query: { limit: 200 } })).items.find(
    ({ type }) => type === 'model.alias_set',
  );
  expect(told?.reason).toMatchObject({ gateOverridden: { because: 'demo for the board' } });

  expect((await evaluate(near)).gate).toEqual({ state: 'passed', why: [] });
  expect(await operator.call('endpoints.promote', { params })).toMatchObject({ model: 'lm@2' });
  await operator.call('endpoints.rollback', { params });
  await attempts.rollout();
});

test('what is held back answers nobody who asked for another endpoint: not as a fallback, not under a name left behind', async () => {
  const { operator } = home;
  const heldBack = { code: 'gate_not_passed' };
  await operator.call('models.gate', {
    params: { name: 'lm' },
    body: { required: 'derived', maximumKl: 0 },
  });
  const create = (name: string, model: string, more: { readonly fallback?: string } = {}, query = {}) =>
    operator.call('endpoints.create', { query, body: { name, model, replicas: 0, ...more } });
  const remove = (name: string) => operator.call('endpoints.delete', { params: { name } });

  // `small` serves lm@2, which is held back again.
  await expect(create('front', 'lm@1', { fallback: 'small' })).rejects.toMatchObject(heldBack);
  const connect = { name: 'far', engine: 'openai' as const, urls: ['http://127.0.0.1:9'], modelName: 'x' };
  await expect(
    operator.call('endpoints.connect', { body: { ...connect, fallback: 'small' } }),
  ).rejects.toMatchObject(heldBack);
  const front = { name: 'front' };
  await create('front', 'lm@1', { fallback: 'later' });
  const fallBack = (query = {}) =>
    operator.call('endpoints.update', { params: front, query, body: { fallback: 'small' } });
  await expect(fallBack()).rejects.toMatchObject({
    ...heldBack,
    message: expect.stringContaining('front falls back to small'),
  });
  await fallBack({ override: 'nothing else fits' });
  // Named before it was made.
  await operator.call('endpoints.update', { params: front, body: { fallback: 'later' } });
  await expect(create('later', 'lm@2')).rejects.toMatchObject(heldBack);

  // Served by itself first, then relied on: it does not go back.
  await create('spare', 'lm@2');
  const spare = { params: { name: 'spare' } };
  await operator.call('endpoints.update', { ...spare, body: { model: 'lm@1' } });
  await operator.call('endpoints.update', { params: front, body: { fallback: 'spare' } });
  await expect(operator.call('endpoints.rollback', spare)).rejects.toMatchObject(heldBack);

  await remove('front');
  await expect(create('front', 'lm@2')).rejects.toMatchObject({
    ...heldBack,
    message: expect.stringContaining('clients of the deleted endpoint front'),
  });
  await create('front', 'lm@2', {}, { override: 'its clients know' });
  // The same again surprises nobody; another one might.
  await create('trial', 'lm@2');
  await remove('trial');
  await create('trial', 'lm@2');
  await operator.call('models.gate', { params: { name: 'lm' }, body: { required: 'never' } });
  await create('old', 'lm@1');
  await remove('old');
  await operator.call('models.gate', { params: { name: 'lm' }, body: { required: 'always' } });
  await expect(create('old', 'lm@2')).rejects.toMatchObject(heldBack);
  await create('old', 'lm@1');
});

test('a member may not override, nor say what the gate asks', async () => {
  const key = await home.keyOf('default', 'ann', 'member', ['read', 'write']);
  await home.operator.call('models.gate', {
    params: { name: 'lm' },
    body: { required: 'derived', maximumKl: 0 },
  });
  const asked = await home.ask('PUT', '/api/v1/models/lm/aliases/production?override=because', {
    body: { version: 2 },
    key,
  });
  expect([asked.status, asked.body.error.code]).toEqual([403, 'forbidden']);
  const gate = await home.ask('PUT', '/api/v1/models/lm/gate', { body: {}, key });
  expect(gate.status).toBe(403);
});

test('what is no evaluation is refused with its place', async () => {
  const refused = async (body: unknown, number = '2') => {
    const answer = await home.ask('POST', `/api/v1/models/lm/versions/${number}/evaluations`, {
      body,
      key: home.operatorKey,
    });
    return [answer.status, answer.body.error.code];
  };
  expect(await refused({ data, against: 'lm@1' })).toEqual([422, 'validation_failed']);
  expect(await refused({ data, against: 'lm@2', comparison: near })).toEqual([422, 'validation_failed']);
  expect(await refused({ data, against: 'lm@9', comparison: near })).toEqual([404, 'not_found']);
  expect(await refused({ data }, '7')).toEqual([404, 'not_found']);
  expect(await refused({ data: { ...data, digest: 'x' } })).toEqual([422, 'validation_failed']);
});

test('an endpoint keeps its dialect: clients of text are given no tensor model, by no way', async () => {
  const { operator } = home;
  const [text, tensors] = [join(folder, 'text.gguf'), join(folder, 'tensors.onnx')];
  await writePermutationModel(text, { seed: 1 });
  await writeFile(tensors, sumModel({ columns: 2 }));
  await operator.call('models.import', { body: { name: 'text', path: text } });
  await operator.call('models.import', { body: { name: 'tensors', path: tensors } });
  const params = { name: 'talk' };
  await operator.call('endpoints.create', { body: { name: 'talk', model: 'text', replicas: 0 } });
  for (const attempt of [
    operator.call('endpoints.update', { params, body: { model: 'tensors' } }),
    operator.call('endpoints.rollout', { params, body: { to: 'tensors@1' } }),
  ])
    await expect(attempt).rejects.toMatchObject({
      code: 'validation_failed',
      message: expect.stringContaining('tensors@1 is a tensor model, and text@1 a language model') as string,
      hint: expect.stringContaining('a name of its own') as string,
    });
});
