/** Machines as operators mark them, and the work that goes by the marks. */
import type { NodeUpdate } from '@gantry/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { jobEnd, jobWhen } from '../e2e/testing/follow.ts';
import { type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';
import { refusal } from '../testing/refusal.ts';

let home: MemoryServer;
let name: string;
beforeAll(async () => {
  home = await startMemoryServer();
  name = (await home.operator.call('nodes.list', {})).items[0]?.name ?? expect.fail('no node');
}, 180_000);
afterAll(() => home[Symbol.asyncDispose]());

const mark = (body: NodeUpdate) => home.operator.call('nodes.update', { params: { name }, body });
const submit = (job: string, more: object) =>
  home.operator.call('jobs.submit', {
    body: { name: job, command: 'true', resources: { cpu: 0.1, memory: '64MiB' }, ...more },
  });

test('a label is set, chosen by, and taken off; what inventory sees stays', async () => {
  const before = await home.operator.call('nodes.get', { params: { name } });
  expect((await mark({ labels: { pool: 'fast' } })).labels).toEqual({ ...before.labels, pool: 'fast' });
  await submit('chooses', { nodeSelector: { pool: 'fast' } });
  expect((await jobEnd(home.operator, 'chooses')).state).toBe('succeeded');
  expect(await refusal(submit('misses', { nodeSelector: { pool: 'slow' } }))).toMatchObject({
    code: 'unsatisfiable_request',
  });
  expect((await mark({ labels: { pool: null } })).labels).toEqual(before.labels);
});

test('a taint keeps work away that does not tolerate it; NoExecute moves away what runs', async () => {
  await mark({ taints: [{ key: 'team', value: 'nlp' }] });
  expect(await refusal(submit('stranger', {}))).toMatchObject({
    code: 'unsatisfiable_request',
    message: expect.stringContaining('(team=nlp)'),
  });
  const forever = { command: 'sleep 600', graceSeconds: 0 };
  await submit('member', { ...forever, tolerations: [{ key: 'team', value: 'nlp' }] });
  await submit('visitor', { ...forever, waitForCapacity: true });
  await jobWhen(home.operator, 'member', ({ state }) => state === 'running');
  await jobWhen(home.operator, 'visitor', ({ waiting }) => (waiting?.reasons.length ?? 0) > 0);

  await mark({ taints: [] });
  await jobWhen(home.operator, 'visitor', ({ state }) => state === 'running');
  await mark({ taints: [{ key: 'team', value: 'nlp', effect: 'NoExecute' }] });
  const driven = await jobWhen(home.operator, 'visitor', ({ state }) => state === 'queued');
  expect(driven.attempts[0]).toMatchObject({ exitClass: 'preempted' });
  expect((await home.operator.call('jobs.get', { params: { name: 'member' } })).state).toBe('running');

  await mark({ taints: [] });
  await jobWhen(
    home.operator,
    'visitor',
    ({ state, attempts }) => state === 'running' && attempts.length === 2,
  );
  for (const each of ['member', 'visitor'])
    await home.operator.call('jobs.cancel', { params: { name: each } });
});

test('marks that are none, and wishes that cannot come true, are refused', async () => {
  for (const labels of [{ 'no key': 'a' }, { pool: 'no value' }, { pool: 'x'.repeat(64) }])
    expect(await refusal(mark({ labels }))).toMatchObject({ code: 'validation_failed' });
  expect(await refusal(submit('late', { deadline: '2020-01-01T00:00:00Z' }))).toMatchObject({
    problems: [{ path: 'deadline', message: 'is in the past' }],
  });
  await home.operator.call('scheduling.set', { body: { pools: { fast: { nodes: { pool: 'fast' } } } } });
  await home.operator.call('queues.create', { body: { name: 'bound' } });
  await home.operator.call('scheduling.setQueue', { params: { name: 'bound' }, body: { pool: 'fast' } });
  expect(await refusal(submit('flees', { queue: 'bound', nodeSelector: { pool: 'slow' } }))).toMatchObject({
    problems: [{ path: 'nodeSelector.pool', message: 'queue "bound" runs where pool=fast' }],
  });
});
