/** Hot replacement and moves, live: whose machine fails goes on beside what it has left, and nobody takes that meanwhile. */
import type { JobSpecInput } from '@gantry/contract';
import { expect, test } from 'vitest';
import { jobWhen } from './testing/follow.ts';
import { machinesOf, startSimulatedCluster } from './testing/mixed/simulated-cluster.ts';

const whole: Omit<JobSpecInput, 'name' | 'command'> = { resources: { cpu: 1, memory: '1GiB', gpu: 8 } };
const half: Omit<JobSpecInput, 'name' | 'command'> = { resources: { cpu: 1, memory: '1GiB', gpu: 4 } };
const fixed = { ...whole, preemptible: false };

test('a rank whose machine fails is replaced in the same rack; what the gang has left is kept for it', async () => {
  // Racks of four: sim-0 to sim-3, sim-4 to sim-7.
  await using cluster = await startSimulatedCluster(8);
  const { submit, runs, nodeAct, operator } = cluster;
  for (const at of [0, 1, 2, 3]) {
    await submit(`first-${at}`, fixed);
    expect(machinesOf(await runs(`first-${at}`))).toEqual([`sim-${at}`]);
  }
  await submit('gang', { ...fixed, replicas: 2 });
  expect(machinesOf(await runs('gang'))).toEqual(['sim-4', 'sim-5']);
  for (const at of [6, 7]) {
    await submit(`last-${at}`, fixed);
    expect(machinesOf(await runs(`last-${at}`))).toEqual([`sim-${at}`]);
  }
  // There is no other machine: the gang waits, and somebody more important finds sim-4 kept.
  await nodeAct('sim-5', 'quarantine');
  await jobWhen(operator, 'gang', ({ state }) => state === 'queued');
  await submit('urgent', { ...fixed, priority: 90 });
  const { waiting } = await jobWhen(operator, 'urgent', (job) => job.waiting !== undefined);
  expect(waiting?.reasons.map(({ code }) => code)).toContain('behind_reservation');
  // One comes free in the other rack and one in its own: the smaller name is not what counts.
  await operator.call('jobs.cancel', { params: { name: 'last-7' } });
  expect(machinesOf(await runs('gang', 2))).toEqual(['sim-4', 'sim-7']);
  await operator.call('jobs.cancel', { params: { name: 'first-0' } });
  expect(machinesOf(await runs('urgent'))).toEqual(['sim-0']);
  expect(cluster.runner.wrong).toEqual([]);
});

test('scattered room is joined by moving small work, as often in an hour as the policy says', async () => {
  await using cluster = await startSimulatedCluster(2);
  const { submit, runs, operator, advance } = cluster;
  const cancel = (name: string): Promise<unknown> => operator.call('jobs.cancel', { params: { name } });
  await operator.call('scheduling.set', { body: { defragmentation: { movesPerHour: 1 } } });
  /** Each on a machine of its own, so that both machines are half full. */
  const scatter = async (...names: readonly string[]): Promise<void> => {
    for (const name of names) await submit(name, half);
    const machines: string[] = [];
    for (const name of names) machines.push(...machinesOf(await runs(name)));
    expect(machines.sort()).toEqual(['sim-0', 'sim-1']);
  };
  const movesOf = async (name: string): Promise<number> => {
    const { items } = await operator.call('jobs.events', { params: { name }, query: { limit: 100 } });
    return items.filter(({ type, reason }) => {
      const why = reason?.['reason'] as { code?: string } | undefined;
      return type === 'job.stopping' && why?.code === 'moved';
    }).length;
  };
  await scatter('a', 'b');
  await submit('wide-1', fixed);
  await runs('wide-1');
  expect((await movesOf('a')) + (await movesOf('b'))).toBe(1);
  for (const name of ['wide-1', 'a', 'b']) await cancel(name);
  await advance(59 * 60_000);
  await scatter('c', 'd');
  await submit('wide-2', fixed);
  const { waiting } = await jobWhen(operator, 'wide-2', (job) => job.waiting !== undefined);
  expect(waiting?.reasons.map(({ code }) => code)).toContain('fragmented');
  expect((await movesOf('c')) + (await movesOf('d'))).toBe(0);
  await advance(2 * 60_000);
  await runs('wide-2');
  expect((await movesOf('c')) + (await movesOf('d'))).toBe(1);
  expect(cluster.runner.wrong).toEqual([]);
});
