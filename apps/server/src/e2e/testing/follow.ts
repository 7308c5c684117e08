/** Waiting on what the platform itself announces: job changes through its watch stream, endpoints through events. */
import type { Endpoint, Job } from '@gantry/contract';
import type { Client } from '@gantry/sdk';

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
  jobWhen(client, name, ({ state }) => ['succeeded', 'failed', 'cancelled'].includes(state));

export async function endpointReady(client: Client, name: string, signal: AbortSignal): Promise<Endpoint> {
  for (;;) {
    const endpoint = await client.call('endpoints.get', { params: { name } }, { signal });
    if (endpoint.state === 'ready') return endpoint;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
