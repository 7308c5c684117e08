import type { Endpoint } from '@gantry/contract';
import type { Client } from '@gantry/sdk';

const everyMs = 100;
/** An engine that failed so often in a row is not waited for: what it says will not change by itself. */
const hopelessFailures = 3;

export interface EndpointWait {
  readonly timeoutMs: number;
  /** Hears why it is not ready, each reason once. */
  readonly onReason?: (reason: string) => void;
}

/** The endpoint once it is ready or wants no replica, once its engine fails again and again, or when the time is up. */
export async function waitForEndpoint(
  client: Client,
  name: string,
  { timeoutMs, onReason }: EndpointWait,
): Promise<Endpoint> {
  const deadlineMs = Date.now() + timeoutMs;
  let told: string | undefined;
  for (;;) {
    const endpoint = await client.call('endpoints.get', { params: { name } });
    if (hasSettled(endpoint) || keepsFailing(endpoint) || Date.now() > deadlineMs) return endpoint;
    const news = newsOf(endpoint.reason);
    if (news !== undefined && news !== told) onReason?.(endpoint.reason ?? '');
    told = news ?? told;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** `idle` and `stopped` want no replica: they are as they should be. */
export const hasSettled = ({ state }: Endpoint): boolean => state !== 'deploying' && state !== 'degraded';

export const keepsFailing = ({ replicas }: Endpoint): boolean =>
  replicas.some(({ state, restarts }) => state !== 'ready' && restarts >= hopelessFailures);

/** What of a reason is new: neither when the next is tried nor seconds that only count on. */
const newsOf = (reason: string | undefined): string | undefined =>
  reason?.replace(/; the next is .*$/u, '').replaceAll(/\d+ s\b/gu, '');
