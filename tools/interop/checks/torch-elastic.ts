/**
 * torchrun's own elasticity within one attempt: of two members one is killed, the platform begins it again in its place,
 * and both go on from the script's checkpoint.
 */
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { jobEnd, jobWhen } from '../../../apps/server/src/e2e/testing/follow.ts';
import { processesOf } from '../../../apps/server/src/e2e/testing/processes.ts';
import type { Check } from '../check.ts';
import { allLogs } from './torch-examples.ts';

export const torchElastic: Check = async (world) => {
  const { client, dataDir } = await world.platform();
  const workdir = join(world.dir, 'elastic');
  await cp(join(import.meta.dirname, '..', 'peers'), workdir, { recursive: true });
  const name = 'torch-elastic';
  await client.call('jobs.submit', {
    body: {
      name,
      workdir,
      framework: 'torch',
      command: 'exec torchrun elastic_train.py',
      replicas: 2,
      minReplicas: 1,
      env: { PET_RDZV_BACKEND: 'c10d' },
      resources: { cpu: 1, memory: '2GiB' },
      timeLimit: '20m',
      retries: 0,
    },
  });
  const { attempts, progress } = await jobWhen(client, name, (job) => (job.progress?.step ?? 0) >= 5);
  const member = `${attempts[0]?.id}-1`;
  // The whole of it, as a machine would take it.
  const victims = processesOf(dataDir).filter(({ role, workerId }) => role === 'rank' && workerId === member);
  if (victims.length === 0) throw new Error('the second member is not to be found');
  const agent = victims.find(({ command }) => command.includes('torchrun')) ?? victims[0];
  process.kill(agent?.pid ?? 0, 'SIGKILL');
  const job = await jobEnd(client, name);
  const log = await allLogs(client, { name, replicas: 2 });
  if (job.state !== 'succeeded') throw new Error(`it ended ${job.state}: ${job.exitMessage}\n${log}`);
  if (job.attempts.length !== 1) throw new Error(`it took ${job.attempts.length} attempts`);
  const events = await client.call('jobs.events', { params: { name }, query: { limit: 100 } });
  const returned = events.items.filter(({ type }) => type === 'job.rank_returned').length;
  const resumed = /world=2 rank=\d from=([1-9]\d*)/.exec(log)?.[1];
  if (returned !== 1 || resumed === undefined)
    throw new Error(`it came back ${returned} times, and the two did not go on together:\n${log}`);
  return `killed at step ${progress?.step}, back in the same attempt, two went on from step ${resumed}`;
};
