/** Nobody asks, nothing runs: the database is left alone. Ten seconds by the clock, because idling is about time. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startMemoryServer } from './testing/memory-server.ts';

test('an idle server issues no query in 10 s, with jobs done and queued and somebody watching', async () => {
  await using home = await startMemoryServer();
  const { stats } = home.server.platform.deps.store;
  const { operator } = home;
  const leaving = new AbortController();
  const seen: string[] = [];
  const watching = (async () => {
    for await (const { event } of operator.watch('events.watch', {}, { signal: leaving.signal }))
      seen.push(event);
  })().catch(() => undefined);
  await operator.call('jobs.submit', { body: { name: 'done', command: 'true' } });
  await operator.call('jobs.submit', {
    body: { name: 'queued', command: 'true', resources: { gpu: 9_000 }, waitForCapacity: true },
  });
  await expect.poll(() => seen, { timeout: 60_000 }).toContain('job.succeeded');

  // What the last event set going comes to rest first.
  await expect
    .poll(
      async () => {
        const before = stats.statements;
        await delay(1_000);
        return stats.statements - before;
      },
      { timeout: 60_000 },
    )
    .toBe(0);
  const before = stats.statements;
  await delay(10_000);
  expect(stats.statements - before).toBe(0);
  leaving.abort();
  await watching;
}, 180_000);
