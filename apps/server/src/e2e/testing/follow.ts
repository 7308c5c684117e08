/** Waiting on what the platform itself announces: job changes through its watch stream, endpoints through events. */
import { type Endpoint, type Job, type JobSpecInput, isTerminal } from '@gantry/contract';
import type { Client } from '@gantry/sdk';
import { pause } from './until.ts';

export async function jobWhen(client: Client, name: string, is: (job: Job) => boolean): Promise<Job> {
  let last: Job | undefined;
  for await (const { event, data } of client.watch('jobs.watch', { params: { name } })) {
    if (event !== 'job') continue;
    last = data as Job;
    if (is(last)) return last;
  }
  throw new Error(`the job ended otherwise: ${JSON.stringify(last)}`);
}

export const jobEnd = (client: Client, name: string): Promise<Job> =>
  jobWhen(client, name, ({ state }) => isTerminal(state));

export const runJob = async (client: Client, spec: JobSpecInput): Promise<Job> =>
  jobEnd(client, (await client.call('jobs.submit', { body: spec })).name);

export const jobLog = async (
  client: Client,
  name: string,
  stream: 'stdout' | 'stderr' = 'stdout',
): Promise<string> =>
  Buffer.concat(
    await Array.fromAsync(client.log('jobs.logs', { params: { name }, query: { stream } })),
  ).toString();

/** A test's own limit of time ends it where no signal does. */
export async function endpointWhen(
  client: Client,
  name: string,
  is: (endpoint: Endpoint) => boolean,
  signal?: AbortSignal,
): Promise<Endpoint> {
  for (;;) {
    const endpoint = await client.call('endpoints.get', { params: { name } }, signal && { signal });
    if (is(endpoint)) return endpoint;
    await pause(50);
  }
}

export const endpointReady = (client: Client, name: string, signal?: AbortSignal): Promise<Endpoint> =>
  endpointWhen(client, name, ({ state }) => state === 'ready', signal);
