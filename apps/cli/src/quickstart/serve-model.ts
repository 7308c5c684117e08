import { formatDuration } from '@gantry/kit';
import type { Client } from '@gantry/sdk';
import { CliError } from '../cli-error.ts';
import { exitCodes } from '../exit-codes.ts';
import { print } from '../output.ts';
import { waitForEndpoint } from '../wait-for-endpoint.ts';
import { sayStep } from './say-step.ts';

const readyWithinMs = 60_000;
/** Beside two ranks of the quickstart's job file on two cores. */
const resources = { cpu: 0.5 };

/**
 * An earlier quickstart's endpoint gives its CPU to `work`, which is then done sooner. It comes back as it was
 * when the work fails; otherwise it is the caller's to serve anew.
 */
export async function whileResting<Result>(
  client: Client,
  name: string,
  work: () => Promise<Result>,
): Promise<Result> {
  const replicas = (await find(client, name))?.desiredReplicas ?? 0;
  if (replicas === 0) return work();
  const scale = (to: number) => client.call('endpoints.update', { params: { name }, body: { replicas: to } });
  await scale(0);
  print(`  … endpoint ${name} of an earlier quickstart rests while the new model trains`);
  try {
    return await work();
  } catch (error) {
    await scale(replicas);
    throw error;
  }
}

/** Rolls the endpoint to this version, or makes it; returns when a replica answers. */
export async function serveModel(client: Client, name: string, model: string): Promise<void> {
  const startedMs = Date.now();
  if ((await find(client, name)) === undefined)
    await client.call('endpoints.create', { body: { name, model, resources } });
  else await client.call('endpoints.update', { params: { name }, body: { model, replicas: 1 } });
  const endpoint = await waitForEndpoint(client, name, { timeoutMs: readyWithinMs });
  if (endpoint.state !== 'ready')
    throw new CliError('job_failed', `the endpoint is ${endpoint.state} after a minute`, {
      exitCode: exitCodes.job_failed,
      hint: `./gantry endpoint show ${name}`,
    });
  const ready = endpoint.replicas.filter(({ state }) => state === 'ready').length;
  sayStep(`endpoint ${name}`, formatDuration(Date.now() - startedMs), `${ready} replica ready`);
}

async function find(client: Client, name: string) {
  return (await client.call('endpoints.list', {})).items.find((each) => each.name === name);
}
