/** What outlives its time on the real server, with times of seconds. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Event } from '@gantry/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MemoryServer, startMemoryServer } from './testing/memory-server.ts';

let home: MemoryServer;
beforeAll(async () => {
  home = await startMemoryServer([
    '--memory',
    '--keep',
    'workers=500ms,checkpoints=500ms,logs=4s,runs=4s,uploads=1s,blobs=4s',
  ]);
});
afterAll(() => home[Symbol.asyncDispose]());

async function until(job: string, isSo: (event: Event) => boolean): Promise<Event> {
  for (let tries = 0; tries < 600; tries += 1) {
    const { items } = await home.operator.call('jobs.events', {
      params: { name: job },
      query: { limit: 100 },
    });
    const found = items.find(isSo);
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return expect.fail('it was not removed within a minute');
}
const removed =
  (what: string) =>
  ({ type, reason }: Event): boolean =>
    type === 'job.files_removed' && reason?.['what'] === what;

test('checkpoints, run folder and logs of an ended job go in their time, and the job says so', async () => {
  const { name, id } = await home.operator.call('jobs.submit', {
    body: {
      command:
        'mkdir -p $GANTRY_RUN_DIR/checkpoints/step-1 && echo 12345 > $GANTRY_RUN_DIR/checkpoints/step-1/x; echo said',
    },
  });
  const run = join(home.server.platform.dataDir, 'runs', id);
  await until(name, ({ type }) => type === 'job.succeeded');
  expect(await until(name, removed('checkpoints'))).toMatchObject({
    actor: 'retention',
    reason: { keptMs: 500, bytes: expect.any(Number) },
  });
  expect(existsSync(join(run, 'checkpoints'))).toBe(false);
  await until(name, removed('run folder'));
  expect(existsSync(run)).toBe(false);
  await until(name, removed('logs'));
  const job = await home.operator.call('jobs.get', { params: { name } });
  expect(job.notes?.join()).toMatch(/checkpoints were removed .*run folder was removed/);
  const logs = await home.ask('GET', `/api/v1/jobs/${name}/logs`, { key: home.operatorKey });
  expect(logs).toMatchObject({ status: 404, body: { error: { code: 'not_found' } } });
  expect(logs.body.error.message).toContain('are not kept any more');
  const { items } = await home.operator.call('events.list', { query: { limit: 100 } });
  expect(items.find(({ type }) => type === 'storage.swept')).toMatchObject({ actor: 'retention' });
});
