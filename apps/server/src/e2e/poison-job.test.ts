/** A job that makes the planner itself throw: it alone is set aside, is told so, and comes back once it can be planned. */
import type { Job } from '@gantry/contract';
import { expect, test } from 'vitest';
import { jobEnd, jobWhen } from './testing/follow.ts';
import { startSimulatedCluster } from './testing/mixed/simulated-cluster.ts';

test('a job that makes planning throw is set aside with its snapshot; everybody else goes on', async () => {
  let isHarmless = false;
  await using cluster = await startSimulatedCluster(2, {
    beforePlan: ({ workloads }) => {
      const poison = workloads.find(({ labels, state }) => labels?.name === 'poison' && state === 'pending');
      if (poison !== undefined && !isHarmless) throw new RangeError('a rule divided by its members');
    },
  });
  const { submit, runs, operator, server } = cluster;
  const one = { resources: { cpu: 1, memory: '1GiB', gpu: 1 } } as const;
  await submit('before', one);
  const { id } = await submit('poison', { ...one, priority: 90 });
  for (const name of ['after-1', 'after-2']) await submit(name, one, 50);
  await runs('before');
  for (const name of ['after-1', 'after-2'])
    expect(await jobEnd(operator, name)).toMatchObject({ state: 'succeeded' });

  const isSetAside = ({ waiting }: Job): boolean =>
    waiting?.reasons.some(({ code }) => code === 'set_aside') === true;
  const { waiting } = await jobWhen(operator, 'poison', isSetAside);
  expect(waiting?.reasons).toMatchObject([
    { tier: 'misconfigured', message: expect.stringContaining('a rule divided by its members') },
  ]);
  const decisions = (await operator.call('decisions.list', { query: { limit: 200 } })).items;
  const failed = decisions.filter(({ error }) => error?.includes('a rule divided') === true);
  const { snapshot, plan } = await operator.call('decisions.get', {
    params: { name: String(failed[0]?.number) },
  });
  expect(plan).toBeNull();
  expect(snapshot['workloads']).toContainEqual(expect.objectContaining({ id, priority: 90 }));
  expect(server.platform.scheduler.stats.failures).toBe(failed.length);

  // Nothing touches it until its row changes.
  isHarmless = true;
  await submit('later', one, 50);
  await jobEnd(operator, 'later');
  expect(await operator.call('jobs.get', { params: { name: 'poison' } })).toMatchObject({ state: 'queued' });
  await operator.call('jobs.suspend', { params: { name: 'poison' } });
  await operator.call('jobs.resume', { params: { name: 'poison' } });
  await runs('poison');
});
