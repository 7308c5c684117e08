/** Which of equal nodes: where the data lies, and where less goes on. */
import { Engine, type NodeLive } from '@gantry/scheduling';
import { expect, test, vi } from 'vitest';
import { schedulerPlatform } from '../testing/scheduler-platform.ts';

test.each([
  ['nothing', undefined, 'n1'],
  ['n2', 's3://bucket/corpus', 'n2'],
  ['n2, of other data', 's3://bucket/corpus-2', 'n1'],
])('among equal nodes a job goes where its data lies: told of %s', async (_, key, node) => {
  const cached = new Map<string, NodeLive>(key === undefined ? [] : [['n2', { cached: [key] }]]);
  const { submit, round, job, store } = await schedulerPlatform({ live: () => cached });
  await round();
  // A changed node makes the engine anew; it is told again.
  await store.tx({ platform: true }, (tx) => tx.update('node', 'n1', { status: { seen: true } }));
  await round();
  await submit('job_a', 1, { volumes: [{ s3: 's3://bucket/corpus/', mount: 'in', readOnly: true }] });
  await round();
  expect((await job('job_a'))?.status).toMatchObject({ attempts: [{ placement: [{ node }] }] });
});

test('among equal nodes a job goes to the one that is less busy; a flutter is no news to the planner', async () => {
  let load = 0.9;
  const live = () =>
    new Map<string, NodeLive>([
      ['n1', { load }],
      ['n2', { load: 0.1 }],
    ]);
  const setLive = vi.spyOn(Engine.prototype, 'setLive');
  const { submit, round, job } = await schedulerPlatform({ live });
  await submit('job_a', 1);
  await round();
  expect((await job('job_a'))?.status).toMatchObject({ attempts: [{ placement: [{ node: 'n2' }] }] });
  const times = setLive.mock.calls.length;
  load = 0.93;
  await round();
  expect(setLive).toHaveBeenCalledTimes(times);
  load = 0.3;
  await round();
  expect(setLive).toHaveBeenCalledTimes(times + 1);
  setLive.mockRestore();
});
