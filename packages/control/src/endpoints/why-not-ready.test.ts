import { expect, it } from 'vitest';
import { whyNotReady } from './why-not-ready.ts';

const nowMs = Date.parse('2026-01-01T00:01:00Z');
const at = (second: number): string => new Date(nowMs + second * 1_000).toISOString();
const replica = (state: string, status: object = {}) => ({ id: `r-${state}`, state, status });
const failed = { crashes: 3, lastFailure: 'exited with 70: no such tensor', retryAt: at(8) };

it.each([
  ['says nothing of one that is well', 'ready', failed, [], undefined],
  ['says nothing of one that sleeps', 'idle', {}, [], undefined],
  [
    'names the last failure, and when the next replica is tried',
    'deploying',
    failed,
    [],
    'the last replica exited with 70: no such tensor; the next is tried in 8 s (3 failed in a row)',
  ],
  [
    'names it while the next one starts',
    'deploying',
    { ...failed, crashes: 1, retryAt: at(-1) },
    [replica('starting', { placedAt: at(-1) })],
    'the last replica exited with 70: no such tensor; the next is being tried',
  ],
  [
    'forgets a failure that a replica has got over since',
    'degraded',
    { ...failed, retryAt: at(-30) },
    [replica('ready', { readyAt: at(-20) }), replica('queued')],
    'a replica waits: 1 of 1 machines are too small',
  ],
  [
    'tells how long one has been starting',
    'deploying',
    {},
    [replica('starting', { placedAt: at(-12) })],
    'a replica has been starting for 12 s',
  ],
  ['knows no reason before the first look', 'deploying', {}, [], undefined],
])('%s', (_what, state, status, replicas, reason) => {
  expect(whyNotReady({ state, status }, replicas, () => '1 of 1 machines are too small', nowMs)).toBe(reason);
});
