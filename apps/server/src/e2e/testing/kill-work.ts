/** The work of a round, sent and awaited as a careful client does. */
import type { Job, JobSpecInput } from '@gantry/contract';
import type { Random } from '@gantry/kit';
import { ApiError, type Client } from '@gantry/sdk';
import type { World } from './kill-world.ts';
import { tinyTraining } from './tiny-training.ts';
import { until } from './until.ts';
import { failingOnceCommand, gatedCommand, shortCommand } from './witness.ts';

export function workOf(world: World, round: number, gate: string, random: Random): readonly JobSpecInput[] {
  const { witnessDir: dir } = world;
  const resources = { cpu: 0.5, memory: '128MiB' };
  const work: JobSpecInput[] = [
    { name: `r${round}-pair`, command: gatedCommand(dir, gate), replicas: 2, resources },
    { name: `r${round}-again`, command: failingOnceCommand(dir), retries: 1, resources },
    { name: `r${round}-short`, command: shortCommand(dir), resources: { cpu: 0.75, memory: '128MiB' } },
  ];
  if (random.below(2) === 0)
    work.push({
      name: `r${round}-train`,
      workdir: world.textsDir,
      train: tinyTraining(),
      parallel: { data: 2 },
      checkpoint: { everySteps: 3 },
      register: 'tiny',
      resources: { cpu: 0.5, memory: '512MiB' },
    });
  return work;
}

/** Every job, each under an idempotency key, repeated until it is acknowledged. */
export async function submitAll(client: () => Client, specs: readonly JobSpecInput[]): Promise<void> {
  for (const spec of specs) {
    const idempotencyKey = spec.name ?? '';
    await until(`${spec.name} is accepted`, async () => {
      try {
        await client().call('jobs.submit', { body: spec }, { idempotencyKey });
        return true;
      } catch (error) {
        if (error instanceof ApiError && (error.status === 0 || error.status >= 500)) return false;
        throw error;
      }
    });
  }
}

export async function settled(client: () => Client, name: string): Promise<Job> {
  let job: Job | undefined;
  await until(`${name} ends`, async () => {
    job = await client()
      .call('jobs.get', { params: { name } })
      .catch(() => undefined);
    return job !== undefined && ['succeeded', 'failed', 'cancelled'].includes(job.state);
  }).catch((error: Error) => {
    throw new Error(`${error.message}: ${JSON.stringify(job)}`);
  });
  return job as Job;
}
