/** Queues over HTTP: what is refused. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writePermutationModel } from '@gantry/engines/testing';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';
import { refusal } from '../testing/refusal.ts';

let home: MemoryServer;
beforeAll(async () => {
  home = await startMemoryServer();
}, 180_000);
afterAll(() => home[Symbol.asyncDispose]());

test('a queue is promised no more than it may use, neither at first nor later', async () => {
  const shares = { deserved: { devices: 8 }, limit: { devices: 4 } };
  const told = {
    code: 'validation_failed',
    problems: [{ path: 'deserved.devices', message: 'deserves 8, but its limit is 4' }],
  };
  const { operator } = home;
  expect(await refusal(operator.call('queues.create', { body: { name: 'nlp', ...shares } }))).toMatchObject(
    told,
  );
  await operator.call('queues.create', { body: { name: 'nlp', limit: { devices: 4 } } });
  expect(
    await refusal(operator.call('queues.update', { params: { name: 'nlp' }, body: shares })),
  ).toMatchObject(told);
  expect(await operator.call('queues.get', { params: { name: 'nlp' } })).toMatchObject({ deserved: {} });
});

test('the queue of jobs that name none stays', async () => {
  const asked = home.operator.call('queues.delete', { params: { name: 'default' } });
  expect(await refusal(asked)).toMatchObject({
    code: 'in_use',
    hint: expect.stringContaining('--cpu-limit'),
  });
});

test('a limit below what is held, another place in the tree and a weight of nothing are refused whole', async () => {
  const { operator } = home;
  await operator.call('queues.create', { body: { name: 'busy', limit: { cpu: 2 } } });
  const resources = { cpu: 0.5, memory: '64MiB' };
  await operator.call('jobs.submit', {
    body: { name: 'holds', queue: 'busy', command: 'sleep 600', resources },
  });
  for await (const { data } of operator.watch('jobs.watch', { params: { name: 'holds' } }))
    if ((data as { state?: string }).state === 'running') break;
  const before = await operator.call('queues.get', { params: { name: 'busy' } });
  const change = (body: object) =>
    refusal(operator.call('queues.update', { params: { name: 'busy' }, body: { weight: 3, ...body } }));
  expect(await change({ limit: { cpu: 0.25 } })).toMatchObject({
    code: 'in_use',
    problems: [{ path: 'limit.cpu', message: 'is 0.25, but 0.5 are held at this moment' }],
    hint: expect.stringContaining('suspend'),
  });
  expect(await change({ parent: 'busy' })).toMatchObject({
    code: 'validation_failed',
    problems: [{ path: 'parent' }],
  });
  expect(await change({ weight: 0 })).toMatchObject({ code: 'validation_failed' });
  expect(await operator.call('queues.get', { params: { name: 'busy' } })).toEqual(before);
  await operator.call('jobs.cancel', { params: { name: 'holds' } });
});

test('a queue holds what replicas of its endpoints hold, beside its jobs', async () => {
  const { operator } = home;
  const folder = await mkdtemp(join(tmpdir(), 'gantry-queues-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writePermutationModel(join(folder, 'lm.gguf'), { seed: 1 });
  await operator.call('models.import', { body: { name: 'lm', path: join(folder, 'lm.gguf') } });
  await operator.call('queues.create', { body: { name: 'serving', limit: { cpu: 0.3 } } });
  const resources = { cpu: 0.25, memory: '256MiB' };
  await operator.call('endpoints.create', {
    body: { name: 'chat', model: 'lm', queue: 'serving', replicas: 2, resources },
  });
  const queue = () => operator.call('queues.get', { params: { name: 'serving' } });
  // One starts, the other waits for the limit.
  await expect
    .poll(queue, { timeout: 60_000 })
    .toMatchObject({ running: 1, waiting: 1, used: { cpu: 0.25, memory: 256 * 1024 ** 2 } });
  expect(
    await refusal(
      operator.call('queues.update', { params: { name: 'serving' }, body: { limit: { cpu: 0.1 } } }),
    ),
  ).toMatchObject({ code: 'in_use' });
  await operator.call('endpoints.delete', { params: { name: 'chat' } });
  await expect.poll(queue, { timeout: 60_000 }).toMatchObject({ running: 0, waiting: 0, used: { cpu: 0 } });
});
