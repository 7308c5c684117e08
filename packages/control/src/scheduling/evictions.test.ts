/** Who gives way, and that the room made for somebody is kept for them, by the next server too. */
import { expect, test, vi } from 'vitest';
import { schedulerPlatform } from '../testing/scheduler-platform.ts';

test('the one that gives way is the one that has just saved its work, and the room is kept', async () => {
  const { submit, round, scheduler, progress, stopped, clock } = await schedulerPlatform();
  for (const name of ['unsaved', 'saved']) await submit(name, 4);
  await round();
  clock.advance(600_000);
  const at = new Date(1_600_000).toISOString();
  const half = { at, etaSeconds: 600, step: 50, totalSteps: 100 };
  progress.set('unsaved', { ...half, checkpointStep: 5 });
  progress.set('saved', { ...half, checkpointStep: 49 });
  await submit('urgent', 4, { priority: 9 });
  await round();
  expect(stopped).toEqual(['saved']);
  expect(scheduler.stats).toMatchObject({
    evictionsByReason: { preempted: 1 },
    waitingByPolicy: { default: 1 },
  });
  await round();
  expect(scheduler.snapshot().workloads.find(({ id }) => id === 'urgent')?.kept).toMatchObject({
    why: 'claimed',
    nodeIds: ['n1'],
  });
});

test('the room is kept by the next server, too: who was evicted for a job does not go for somebody else', async () => {
  const { submit, round, restart, job, store, stopped } = await schedulerPlatform();
  for (const name of ['victim', 'other']) await submit(name, 4);
  await round();
  await submit('first', 4, { priority: 9 });
  await round();
  const [victim] = stopped;
  expect((await job('first'))?.status).toMatchObject({ claim: { nodeIds: [expect.any(String)] } });
  await restart();
  await store.tx({ platform: true }, (tx) => tx.update('job', victim!, { state: 'cancelled' }));
  // Without the claim it would go first.
  await submit('later', 4, { priority: 10 });
  await round();
  expect((await job('first'))?.state).toBe('starting');
  expect((await job('first'))?.status).not.toHaveProperty('claim');
  expect((await job('later'))?.state).toBe('queued');
});

test('nobody is evicted for a room that could not be written down; it is made with the next cycle', async () => {
  const { submit, round, job, memory, store, stopped } = await schedulerPlatform();
  for (const name of ['one', 'two']) await submit(name, 4);
  await round();
  await submit('urgent', 4, { priority: 9 });
  const updateMany = vi.fn();
  const tx = memory.tx.bind(memory);
  // Its owner edits it just as the plan is made.
  memory.tx = async (scope, fn) =>
    tx(scope, async (inner) => {
      const write = inner.updateMany.bind(inner);
      inner.updateMany = async (kind, changes) => {
        updateMany();
        if (updateMany.mock.calls.length === 1) await inner.update('job', 'urgent', { state: 'queued' });
        return write(kind, changes);
      };
      return fn(inner);
    });
  await round();
  expect(stopped).toEqual([]);
  memory.tx = tx;
  await store.tx({ platform: true }, (inner) => inner.update('job', 'urgent', { state: 'queued' }));
  await round();
  expect(stopped).toHaveLength(1);
  expect((await job('urgent'))?.status).toMatchObject({ claim: { until: expect.any(String) } });
});
