/** The books after a day on which nothing went straight: failures, kills, preemption, a stop. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobSpecInput } from '@gantry/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';
import { createBooks } from './testing/books.ts';
import { jobEnd, jobWhen } from './testing/follow.ts';
import { processesOf } from './testing/processes.ts';
import { type ScratchDir, createScratchDir } from './testing/scratch-dir.ts';
import { until } from './testing/until.ts';
import { contradictions, failingOnceCommand, gatedCommand, witnessesOf } from './testing/witness.ts';

let home: MemoryServer;
let dir: ScratchDir;
beforeAll(async () => {
  home = await startMemoryServer();
  dir = await createScratchDir('ledger');
});
afterAll(async () => {
  await home[Symbol.asyncDispose]();
  await dir[Symbol.asyncDispose]();
});

test('retries, a killed rank, preemption and a cancel: every second is paid once, by who held it', async () => {
  const { operator: client } = home;
  const witness = join(dir.path, 'witness');
  await mkdir(witness);
  const gate = join(dir.path, 'gate');
  const { items: nodes } = await client.call('nodes.list', {});
  const all = (nodes[0]?.cpuMilli ?? 0) / 1_000;
  const half = { cpu: all / 2, memory: '128MiB' };
  const submit = async (name: string, spec: Omit<JobSpecInput, 'name'>): Promise<void> => {
    await client.call('jobs.submit', { body: { name, resources: half, ...spec } });
  };

  await submit('again', {
    command: failingOnceCommand(witness),
    retries: 1,
    resources: { ...half, cpu: 0.1 },
  });
  await jobEnd(client, 'again');

  // All there is, held by a gang that loses a rank, then makes room for somebody more urgent, then ends.
  await submit('gang', { command: gatedCommand(witness, gate), replicas: 2, priority: 10 });
  await jobWhen(client, 'gang', ({ state }) => state === 'running');
  const ranks = () =>
    processesOf(home.server.platform.dataDir).filter(
      ({ role, command }) => role === 'rank' && command.includes('GANTRY_ATTEMPT'),
    );
  await until('its ranks are seen', () => ranks().length > 0);
  process.kill(ranks()[0]?.pid ?? 0, 'SIGKILL');
  await jobWhen(client, 'gang', ({ state, attempts }) => state === 'running' && attempts.length === 2);
  await submit('urgent', { command: `sleep 0.3`, priority: 90, preemptible: false });
  await jobEnd(client, 'urgent');
  await submit('stopped', { command: 'sleep 600', priority: 90, preemptible: false });
  await jobWhen(client, 'stopped', ({ state }) => state === 'running');
  await client.call('jobs.cancel', { params: { name: 'stopped' } });
  await jobEnd(client, 'stopped');
  await jobWhen(client, 'gang', ({ state, attempts }) => state === 'running' && attempts.length >= 3);
  await writeFile(gate, '');
  const gang = await jobEnd(client, 'gang');

  expect(gang.state).toBe('succeeded');
  const ends = gang.attempts.map(({ exitClass }) => exitClass);
  expect(ends[0]).toBe('infrastructure');
  expect(ends.slice(1, -1)).toContain('preempted');
  expect(ends.at(-1)).toBe('done');
  const attempts = gang.attempts.map(({ id }) => id);
  expect(contradictions(witnessesOf(witness, 'gang'), { ranks: 2, attempts })).toEqual([]);

  const jobs = [];
  for (const name of ['again', 'gang', 'urgent', 'stopped'])
    jobs.push(await client.call('jobs.get', { params: { name } }));
  expect(await createBooks(all, 0).audit(client, jobs, 0)).toEqual([]);

  const { items } = await client.call('usage.report', { query: { by: 'tenant' } });
  const paid = items
    .filter(({ resource }) => resource === 'cpu_seconds')
    .reduce((sum, { quantity }) => sum + quantity, 0);
  expect(paid).toBeCloseTo(
    jobs.reduce((sum, { deviceSeconds = 0 }) => sum + deviceSeconds, 0),
    6,
  );
});
