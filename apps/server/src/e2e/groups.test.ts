/** A job whose ranks are of several kinds, from its file to its bill. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';
import { jobEnd, jobWhen } from './testing/follow.ts';

let home: MemoryServer;
beforeAll(async () => {
  home = await startMemoryServer();
});
afterAll(() => home[Symbol.asyncDispose]());

test('each kind runs its own command on its own resources, and each is billed for what it held', async () => {
  const { operator } = home;
  await operator.call('jobs.submit', {
    body: {
      name: 'actors',
      command: 'echo "$GANTRY_GROUP $ROLE_RANK/$ROLE_WORLD_SIZE rank $RANK/$WORLD_SIZE"; sleep 600',
      graceSeconds: 0,
      resources: { cpu: 0.25, memory: '64MiB' },
      groups: [
        { name: 'learner', resources: { cpu: 1, memory: '128MiB' } },
        { name: 'actor', replicas: 2 },
        { name: 'judge', command: 'echo judged; sleep 600' },
      ],
    },
  });
  const job = await jobWhen(operator, 'actors', ({ state }) => state === 'running');
  expect(job.attempts[0]?.placement.map(({ rank }) => rank)).toEqual([0, 1, 2, 3]);
  const said = async (rank: number): Promise<string> => {
    let text = '';
    await expect
      .poll(
        async () => {
          const path = `/api/v1/jobs/actors/logs?rank=${rank}`;
          text = (await home.ask('GET', path, { key: home.operatorKey })).text;
          return text;
        },
        { timeout: 60_000 },
      )
      .toContain('\n');
    return text;
  };
  expect(await said(0)).toContain('learner 0/1 rank 0/4');
  expect(await said(2)).toContain('actor 1/2 rank 2/4');
  expect(await said(3)).toContain('judged');
  expect((await operator.call('nodes.list', {})).items[0]?.used).toMatchObject({ cpu: 1.75 });
  const { items: queues } = await operator.call('queues.list', {});
  expect(queues.find(({ name }) => name === 'default')?.used).toMatchObject({ cpu: 1.75 });

  await operator.call('jobs.cancel', { params: { name: 'actors' } });
  const ended = await jobEnd(operator, 'actors');
  const { startedAt = '', endedAt = '' } = ended;
  const ranSeconds = (Date.parse(endedAt) - Date.parse(startedAt)) / 1000;
  expect(ended.deviceSeconds).toBeGreaterThanOrEqual(1.75 * ranSeconds - 0.01);
});
