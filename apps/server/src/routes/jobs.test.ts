/** Jobs over HTTP on the real platform: odd programs, and what may be asked of a job in which state. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Job } from '@gantry/contract';
import { workerIdOf } from '@gantry/control';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../e2e/testing/until.ts';
import { type Answer, type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';

let home: MemoryServer;
beforeAll(async () => {
  home = await startMemoryServer();
}, 180_000);
afterAll(() => home[Symbol.asyncDispose]());

const ask = (method: string, path: string, body?: unknown): Promise<Answer> =>
  home.ask(method, `/api/v1/jobs${path}`, { key: home.operatorKey, ...(body === undefined ? {} : { body }) });

async function ended(spec: object): Promise<Job> {
  const { status, text, body } = await ask('POST', '', { resources: { cpu: 0.1 }, ...spec });
  expect([status, text]).toEqual([201, text]);
  let last: unknown;
  for await (const { event, data } of home.operator.watch('jobs.watch', { params: { name: body.id } }))
    if (event === 'job') last = data;
  return last as Job;
}

describe('a program', () => {
  test('that prints bytes which are no text ends like any other', async () => {
    const job = await ended({ name: 'binary', command: String.raw`printf 'a\0b\377c\n' >&2; exit 3` });
    expect(job).toMatchObject({ state: 'failed', exitClass: 'user_error', exitMessage: 'exited with 3' });
    expect(job.stderrTail).toEqual(['a\ufffdb\ufffdc']);
    const { text } = await ask('GET', '/binary/logs?stream=stderr');
    expect(text).toContain('a\0b');
  });

  test('that reports what cannot be kept is heard all the same', async () => {
    const report = String.raw`{"type":"fault","at":"2026-01-01T00:00:00Z","code":"odd","message":"a\\u0000b","hint":"c\\ud800"}`;
    const job = await ended({ name: 'odd', command: `echo '${report}' >> "$GANTRY_REPORT_FILE"; exit 64` });
    expect(job).toMatchObject({ state: 'failed', exitClass: 'user_error' });
  });

  test('that writes reports of nonsense ends well', async () => {
    const job = await ended({
      name: 'nonsense',
      command: `printf 'no json\\n{}\\n[1,2\\n{"type":"progress"}\\n' >> "$GANTRY_REPORT_FILE"`,
    });
    expect(job.state).toBe('succeeded');
  });
});

describe('what a state does not allow', () => {
  test('is refused with the state, and nothing changes', async () => {
    await ended({ name: 'over', command: 'true' });
    for (const [method, path] of [
      ['POST', '/over/cancel'],
      ['POST', '/over/retry'],
    ] as const) {
      const { status, body } = await ask(method, path);
      expect([path, status, body.error.code]).toEqual([path, 409, 'invalid_transition']);
      expect(body.error.message).toContain('succeeded');
    }
    const queued = { name: 'waits', command: 'true', resources: { gpu: 9_000 }, waitForCapacity: true };
    await ask('POST', '', queued);
    expect((await ask('DELETE', '/waits')).status).toBe(409);
    expect((await ask('POST', '/waits/cancel')).body).toMatchObject({ state: 'cancelled' });
    expect((await ask('DELETE', '/waits')).status).toBe(200);
    expect((await ask('GET', '/waits')).status).toBe(404);
    // Its name is free again.
    expect((await ask('POST', '', queued)).status).toBe(201);
  });
});

describe('a queue', () => {
  test('of another tenant and one that does not exist are refused alike, to the letter', async () => {
    await home.operator.call('queues.create', { body: { name: 'hidden', parent: 'root' } });
    await home.operator.call('tenants.create', { body: { name: 'strangers' } });
    const key = await home.keyOf('strangers', 'eve', 'member');
    const use = async (queue: string): Promise<Answer> =>
      home.ask('POST', '/api/v1/jobs', { key, body: { command: 'true', queue } });
    const [foreign, ghost] = [await use('hidden'), await use('nowhere')];
    expect([foreign.status, foreign.body.error.code]).toEqual([403, 'forbidden']);
    expect(foreign.body.error.hint).toBe('yours: default');
    const told = (answer: Answer, name: string): string =>
      JSON.stringify({ ...answer.body.error, requestId: '' }).replaceAll(name, 'QUEUE');
    expect(told(foreign, 'hidden')).toBe(told(ghost, 'nowhere'));
    expect((await use('defalt')).body.error.hint).toBe('did you mean "default"?');
  });
});

describe('the server’s own files', () => {
  test('are not there for a job: not to read, not as working directory, not as volume', async ({ skip }) => {
    skip(!home.server.platform.deps.runner.facts.mounts, 'this machine permits no mount namespace');
    const { dataDir } = home.server.platform;
    const key = join(dataDir, 'keys', 'operator.key');
    const thief = await ended({
      name: 'thief',
      command: `cat ${key} || ls ${dataDir} ${dataDir}/runs; exit 3`,
    });
    expect(thief).toMatchObject({ state: 'failed', exitClass: 'user_error' });
    const { text } = await ask('GET', '/thief/logs');
    expect(text).not.toMatch(/keys|postgres|blobs/);
    expect(text.match(/job_\w+/g)).toEqual([thief.id]);
    for (const asked of [
      { workdir: join(dataDir, 'keys') },
      { volumes: [{ hostPath: dataDir, mount: 'in' }] },
    ]) {
      const { status, body } = await ask('POST', '', { command: 'true', resources: { cpu: 0.1 }, ...asked });
      expect([status, body.error.message]).toEqual([422, expect.stringContaining('there is no')]);
    }
  });
});

describe('the log of a job', () => {
  test('is read from where one was, by rank; a rank that is none is named with those there are', async () => {
    await ended({ name: 'talks', command: 'printf "0123456789"; printf err >&2', replicas: 2 });
    for (const rank of [0, 1])
      expect((await ask('GET', `/talks/logs?rank=${rank}&sinceBytes=4&limitBytes=3`)).text).toBe('456');
    expect((await ask('GET', '/talks/logs?stream=stderr')).text).toBe('err');
    const { status, body } = await ask('GET', '/talks/logs?rank=7');
    expect([status, body.error.hint]).toEqual([404, 'its ranks are 0 to 1']);
    expect((await ask('GET', '/talks/logs?sinceBytes=99999')).text).toBe('');
    expect((await ask('GET', '/talks/logs?rank=-1')).status).toBe(422);
  });

  test('is read since a moment, and from its end', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gantry-since-'));
    const command = `echo early; while [ ! -e go ]; do sleep 0.05; done; printf 'late\nlatest\n'`;
    await ask('POST', '', { name: 'since', command, workdir: folder, resources: { cpu: 0.1 } });
    const noted = async (): Promise<boolean> => {
      const attempt: string = (await ask('GET', '/since')).body.attempts.at(-1)?.id ?? '';
      const file = join(home.server.platform.dataDir, 'workers', workerIdOf(attempt, 0), 'log-clock');
      return existsSync(file) && readFileSync(file, 'utf8').endsWith(' 6 0\n');
    };
    await until('the length of its first line is noted', noted);
    const since = new Date().toISOString();
    await writeFile(join(folder, 'go'), '');
    for await (const { event } of home.operator.watch('jobs.watch', { params: { name: 'since' } }))
      if (event === 'end') break;
    const log = async (query: string): Promise<string> => (await ask('GET', `/since/logs?${query}`)).text;
    expect(await log(`since=${since}`)).toBe('late\nlatest\n');
    expect(await log('since=2020-01-01T00:00:00Z')).toBe('early\nlate\nlatest\n');
    expect(await log('tailLines=1')).toBe('latest\n');
    expect((await ask('GET', '/since/logs?since=yesterday')).status).toBe(422);
    await rm(folder, { recursive: true });
  });
});

describe('a list', () => {
  test('is narrowed by state and queue', async () => {
    const names = async (query: string): Promise<readonly string[]> =>
      (await ask('GET', `?${query}`)).body.items.map(({ name }: Job) => name);
    expect(await names('state=succeeded')).toEqual(expect.arrayContaining(['over', 'talks']));
    expect(await names('state=succeeded')).not.toContain('binary');
    expect(await names('queue=default&limit=500')).toContain('binary');
    expect((await ask('GET', '?queue=ghost')).status).toBe(403);
  });
});
