import type { Endpoint } from '@gantry/contract';
import type { Client } from '@gantry/sdk';
import { expect, test } from 'vitest';
import { hasSettled, keepsFailing, waitForEndpoint } from './wait-for-endpoint.ts';

const replica = (restarts: number, state: 'queued' | 'ready' = 'queued') => ({
  id: 'rpl_1',
  revision: 'chat-1',
  state,
  restarts,
});

/** A server that tells one after the other, the last for ever. */
function telling(...views: readonly Partial<Endpoint>[]): Client {
  const left = [...views];
  const call = async () => ({ replicas: [], ...(left.length > 1 ? left.shift() : left[0]) });
  return { call } as unknown as Client;
}

test('every reason is told once, however its seconds count on; the wait ends when it is ready', async () => {
  const heard: string[] = [];
  const client = telling(
    { state: 'deploying', reason: 'a replica waits: 2 of 4 CPUs are free' },
    { state: 'deploying', reason: 'a replica has been starting for 1 s' },
    { state: 'deploying', reason: 'a replica has been starting for 2 s' },
    { state: 'deploying', reason: 'the last replica died; the next is tried in 1 s' },
    { state: 'deploying', reason: 'the last replica died; the next is being tried (2 failed in a row)' },
    { state: 'ready' },
  );
  const onReason = (reason: string) => heard.push(reason);
  const found = await waitForEndpoint(client, 'chat', { timeoutMs: 60_000, onReason });
  expect(found.state).toBe('ready');
  expect(heard).toEqual([
    'a replica waits: 2 of 4 CPUs are free',
    'a replica has been starting for 1 s',
    'the last replica died; the next is tried in 1 s',
  ]);
});

test.each(['idle', 'stopped'] as const)(
  'one that is %s wants no replica: nothing is waited for',
  async (state) => {
    const found = await waitForEndpoint(telling({ state }), 'chat', { timeoutMs: 60_000 });
    expect(hasSettled(found)).toBe(true);
  },
);

test('an engine that failed three times in a row is not waited for', async () => {
  const client = telling(
    { state: 'deploying', replicas: [replica(2)] },
    { state: 'deploying', replicas: [replica(3)] },
  );
  const found = await waitForEndpoint(client, 'chat', { timeoutMs: 60_000 });
  expect(found.replicas).toEqual([replica(3)]);
  expect([hasSettled(found), keepsFailing(found)]).toEqual([false, true]);
});

test('a replica that has come back after failures is no hopeless one', () => {
  expect(keepsFailing({ state: 'ready', replicas: [replica(5, 'ready')] } as unknown as Endpoint)).toBe(
    false,
  );
});
