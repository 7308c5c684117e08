/** What people say of answers, over HTTP, ends a rollout whose errors and latency are fine. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Endpoint } from '@gantry/contract';
import { cycle, writePermutationModel } from '@gantry/engines/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { endpointReady } from '../e2e/testing/follow.ts';
import { type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';

let home: MemoryServer;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-quality-'));
  home = await startMemoryServer();
}, 120_000);
afterAll(async () => {
  await home[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const hasReady = ({ replicas }: Endpoint, revision: string): boolean =>
  replicas.some((each) => each.revision === revision && each.state === 'ready');

it('a version that is judged worse is rolled back, and the event holds the numbers', async () => {
  const { operator, operatorKey: key } = home;
  const path = join(folder, 'lm.gguf');
  for (const seed of [1, 2]) {
    await writePermutationModel(path, { seed });
    await operator.call('models.import', { body: { name: 'lm', path } });
  }
  const params = { name: 'chat' };
  const small = { cpu: 0.2, memory: '256MiB' };
  await operator.call('endpoints.create', { body: { name: 'chat', model: 'lm@1', resources: small } });
  await endpointReady(operator, 'chat', AbortSignal.timeout(60_000));
  await operator.call('endpoints.rollout', { params, body: { to: 'lm@2', percent: 50, minPairs: 10 } });

  for await (const { data } of operator.watch('endpoints.watch', { params }))
    if (hasReady(data as Endpoint, 'chat-2')) break;

  const answered = new Set<string>();
  const isOver = async () => (await operator.call('endpoints.get', { params })).rollout === undefined;
  // The betting test needs some twenty pairs of such scores; 1,000 requests end it a hundred times over.
  for (let at = 0; at < 1_000 && !(at % 10 === 0 && (await isOver())); at++) {
    const { status, headers } = await home.ask('POST', '/v1/completions', {
      key,
      body: { model: 'chat', prompt: cycle.slice(0, 4), max_tokens: 1, user: `user-${at}` },
    });
    expect(status).toBe(200);
    const revision = headers.get('x-gantry-revision') ?? '';
    answered.add(revision);
    const score = revision === 'chat-2' ? 0.2 : 0.9;
    const said = await home.ask('POST', '/api/v1/endpoints/chat/feedback', {
      key,
      body: { requestId: headers.get('x-request-id'), score },
    });
    // Ended a moment ago, or an answer of before the rollout was watched: no longer judged.
    expect([200, 404]).toContain(said.status);
  }
  expect(await isOver()).toBe(true);
  expect([...answered].toSorted()).toEqual(['chat-1', 'chat-2']);
  const { items } = await operator.call('events.list', { query: { limit: 200 } });
  expect(items.find(({ type }) => type === 'endpoint.rolled_back')?.reason).toMatchObject({
    because: 'quality',
    decidedBy: 'sequential test',
    evidence: expect.arrayContaining([expect.objectContaining({ metric: 'quality' })]),
  });
  expect(await operator.call('endpoints.get', { params })).toMatchObject({ model: 'lm@1' });
});
