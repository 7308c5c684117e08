import type { Endpoint } from '@gantry/contract';
import type { Client } from '@gantry/sdk';

const everyMs = 100;

/** The endpoint once it is ready, or as it is when the time is up. */
export async function waitForEndpoint(client: Client, name: string, timeoutMs: number): Promise<Endpoint> {
  const deadlineMs = Date.now() + timeoutMs;
  for (;;) {
    const endpoint = await client.call('endpoints.get', { params: { name } });
    if (endpoint.state === 'ready' || Date.now() > deadlineMs) return endpoint;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
