/** What jobs take along and leave behind, on the real server with its database in memory. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Job, JobSpecInput } from '@gantry/contract';
import { type TarFile, writeTar } from '@gantry/formats/tar';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jobLog, runJob } from '../e2e/testing/follow.ts';
import { type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';

let home: MemoryServer;
let dir: string;
beforeAll(async () => {
  home = await startMemoryServer();
  dir = await mkdtemp(join(tmpdir(), 'gantry-job-data-'));
});
afterAll(async () => {
  await home[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

const run = (spec: JobSpecInput): Promise<Job> => runJob(home.operator, spec);
const refused = (spec: JobSpecInput) =>
  home.ask('POST', '/api/v1/jobs', { key: home.operatorKey, body: spec });
const logOf = (name: string, stream?: 'stderr'): Promise<string> => jobLog(home.operator, name, stream);
const pack = async (files: Readonly<Record<string, string>>): Promise<Uint8Array> => {
  const entries = Object.entries(files).map(([path, text]): TarFile => ({
    path,
    bytes: Buffer.byteLength(text),
    isExecutable: path.endsWith('.sh'),
    async *open() {
      yield Buffer.from(text);
    },
  }));
  return Buffer.concat(await Array.fromAsync(writeTar(entries)));
};

describe('secrets', () => {
  const value = 'swordfish-0451';

  it('reach the job and nothing that anybody can read', async () => {
    await home.operator.call('secrets.set', { params: { name: 'door-code' }, body: { value: 'old' } });
    await home.operator.call('secrets.set', { params: { name: 'door-code' }, body: { value } });
    const job = await run({
      command: 'echo "code $DOOR_CODE"; echo "again $OTHER" >&2; test ${#OTHER} = 14 && exit 3',
      secrets: ['door-code', { name: 'door-code', env: 'OTHER' }],
    });
    expect(job).toMatchObject({ state: 'failed', exitClass: 'user_error' });
    expect(job.stderrTail).toEqual(['again **************']);
    expect(await logOf(job.name)).toBe('code **************\n');
    expect(await logOf(job.name, 'stderr')).toBe('again **************\n');
    const { items } = await home.operator.call('secrets.list', {});
    const events = await home.operator.call('events.list', { query: { limit: 500 } });
    expect(JSON.stringify([job, items, events])).not.toContain(value);
    expect(items.map(({ name }) => name)).toEqual(['door-code']);
    const rows = await home.server.platform.deps.store.read({ platform: true }, (tx) =>
      tx.list('secret', { limit: 10, newestFirst: true }),
    );
    expect(JSON.stringify(rows)).not.toContain(value);
  });

  it('that do not exist, or would take a name that is taken, are refused when the job is submitted', async () => {
    const { status, body } = await refused({
      command: 'true',
      secrets: ['ghost', { name: 'door-code', env: 'RANK' }, { name: 'door-code', env: 'MINE' }],
      env: { MINE: '1' },
    });
    expect(status).toBe(422);
    expect(
      body.error.problems.map(({ path, message }: { path: string; message: string }) => [path, message]),
    ).toEqual([
      ['secrets.0', 'there is no secret "ghost"'],
      ['secrets.1', 'the platform sets RANK itself'],
      ['secrets.2', 'MINE is set twice'],
    ]);
  });

  it('are a tenant’s own', async () => {
    await home.operator.call('tenants.create', { body: { name: 'elsewhere' } });
    const key = await home.keyOf('elsewhere', 'stranger', 'admin');
    const found = await home.ask('GET', '/api/v1/secrets', { key });
    expect(found.body.items).toEqual([]);
    const gone = await home.ask('DELETE', '/api/v1/secrets/door-code', { key });
    expect(gone.status).toBe(404);
  });

  it('have names that make variables, and values that are not empty', async () => {
    const ask = (name: string, body: unknown) =>
      home.ask('PUT', `/api/v1/secrets/${name}`, { key: home.operatorKey, body });
    expect((await ask('..%2Fx', { value: 'v' })).status).toBe(422);
    expect((await ask('ok', { value: '' })).status).toBe(422);
    expect((await ask('ok', { value: 'x'.repeat(70_000) })).status).toBe(422);
  });

  it('can be deleted while their job runs; the job goes on', async () => {
    await home.operator.call('secrets.set', { params: { name: 'brief' }, body: { value: 'short-lived' } });
    const job = await home.operator.call('jobs.submit', {
      body: { command: `while [ ! -e ${dir}/go ]; do sleep 0.05; done`, secrets: ['brief'] },
    });
    await expect
      .poll(async () => (await home.operator.call('jobs.get', { params: { name: job.name } })).state, {
        timeout: 60_000,
      })
      .toBe('running');
    await home.operator.call('secrets.delete', { params: { name: 'brief' } });
    writeFileSync(join(dir, 'go'), '');
    await expect
      .poll(async () => (await home.operator.call('jobs.get', { params: { name: job.name } })).state, {
        timeout: 60_000,
      })
      .toBe('succeeded');
  });
});

describe('volumes', () => {
  const canMount = (): boolean => home.server.platform.deps.runner.facts.mounts;

  it('show a folder of the machine where the job asks for it', async (test) => {
    test.skip(!canMount(), 'this machine allows no mount namespace');
    mkdirSync(join(dir, 'corpus'));
    writeFileSync(join(dir, 'corpus/a.txt'), 'alpha');
    const job = await run({
      command: 'cat /corpus/a.txt in/a.txt; touch /corpus/b.txt || echo " denied"; echo kept > shared/note',
      volumes: [
        { hostPath: join(dir, 'corpus'), mount: '/corpus' },
        { hostPath: join(dir, 'corpus'), mount: 'in' },
        { name: 'notes', mount: 'shared', readOnly: false },
      ],
    });
    expect(job).toMatchObject({ state: 'succeeded' });
    expect(await logOf(job.name)).toBe('alphaalpha denied\n');
    expect(readdirSync(join(dir, 'corpus'))).toEqual(['a.txt']);
    const again = await run({ command: 'cat n/note', volumes: [{ name: 'notes', mount: 'n' }] });
    expect(await logOf(again.name)).toBe('kept\n');
  });

  it.each([
    [{ hostPath: '/no/such/folder', mount: 'x' }, /there is no/],
    [{ hostPath: 'relative', mount: 'x' }, /absolute/],
    [{ nfs: 'filer:/export', mount: 'x' }, /not mounted/],
    [{ s3: 'bucket/prefix', mount: 'x' }, /S3/],
    [{ hostPath: '/tmp', mount: '/no/such/place' }, /there is no .* to mount at/],
    [{ hostPath: '/tmp', mount: '../up' }, /without ".."/],
    [{ hostPath: '/tmp', mount: '/' }, /not the root/],
    [{ hostPath: '/tmp', name: 'two', mount: 'x' }, /exactly one/],
    [{ mount: 'x' }, /exactly one/],
  ])('%j is refused with a hint', async (volume, message) => {
    const { status, body } = await refused({ command: 'true', volumes: [volume] });
    expect(status).toBe(422);
    expect(body.error.message).toMatch(canMount() ? message : /./);
  });
});

describe('outputs', () => {
  it('are kept when the job succeeds, and come back byte for byte', async () => {
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, at) => (at * 31) % 256));
    writeFileSync(join(dir, 'source.bin'), bytes);
    const job = await run({
      command: `mkdir -p out/deep; cp ${dir}/source.bin out/deep/; echo a > out/a.txt; echo no > other; ln -s /etc/hostname out/leak; ln -s /etc out/dir`,
      outputs: ['out', '*.none'],
    });
    expect(job.outputs?.map(({ path, bytes: size }) => [path, size])).toEqual([
      ['out/a.txt', 2],
      ['out/deep/source.bin', 100_000],
    ]);
    expect(job.notes).toEqual(['no output fits "*.none"']);
    const got = await Array.fromAsync(
      home.operator.download('jobs.output', {
        params: { name: job.name },
        query: { path: 'out/deep/source.bin' },
      }),
    );
    expect(Buffer.concat(got).equals(bytes)).toBe(true);
    for (const path of ['../../etc/passwd', 'other', 'out/leak'])
      await expect(
        Array.fromAsync(
          home.operator.download('jobs.output', { params: { name: job.name }, query: { path } }),
        ),
      ).rejects.toMatchObject({ code: 'not_found' });
  });

  it.each(['../x', '/etc/*', 'a/../../b'])('the pattern %j is refused', async (pattern) => {
    expect((await refused({ command: 'true', outputs: [pattern] })).status).toBe(422);
  });
});

describe('uploads', () => {
  it('are the working directory of every attempt, fresh each time', async () => {
    const body = await pack({
      'main.sh': '#!/bin/sh\ncat data/words; ls; touch trace',
      'data/words': 'hi\n',
    });
    const upload = await home.operator.call('uploads.create', { body });
    expect(upload).toMatchObject({ files: 2, bytes: body.length });
    const job = await run({ command: ['./main.sh'], upload: upload.id, outputs: ['trace'] });
    expect(job).toMatchObject({ state: 'succeeded', outputs: [{ path: 'trace' }] });
    expect(await logOf(job.name)).toBe('hi\ndata\nmain.sh\n');
    const second = await run({ command: 'ls', upload: upload.id });
    expect(await logOf(second.name)).toBe('data\nmain.sh\n');
  });

  it('of another tenant do not exist', async () => {
    const upload = await home.operator.call('uploads.create', { body: await pack({ a: 'b' }) });
    const key = await home.keyOf('elsewhere', 'thief', 'admin');
    const { status, body } = await home.ask('POST', '/api/v1/jobs', {
      key,
      body: { command: 'cat a', upload: upload.id },
    });
    expect(status).toBe(422);
    expect(body.error.problems[0]).toMatchObject({ path: 'upload' });
  });

  it.each([
    ['no archive', Buffer.from('hello'.repeat(200))],
    ['an empty body', Buffer.alloc(0)],
    ['a cut archive', undefined],
  ])('that are %s are refused', async (_, bytes) => {
    const body = bytes ?? (await pack({ a: 'x'.repeat(5_000) })).subarray(0, 2_000);
    await expect(home.operator.call('uploads.create', { body })).rejects.toMatchObject({
      code: 'data_invalid',
      status: 422,
    });
  });

  it('must be bytes', async () => {
    const { status } = await home.ask('POST', '/api/v1/uploads', { key: home.operatorKey, body: {} });
    expect(status).toBe(415);
  });

  it('cannot leave their folder', async () => {
    for (const path of ['../evil', '/evil']) {
      const body = await pack({ [path]: 'x' });
      await expect(home.operator.call('uploads.create', { body })).rejects.toMatchObject({
        code: 'data_invalid',
      });
    }
    expect(existsSync('/evil')).toBe(false);
  });
});

describe('a working directory', () => {
  it.each(['relative/dir', '/no/such/dir'])(
    'that is not there (%s) is refused, and not made',
    async (workdir) => {
      const { status, body } = await refused({ command: 'true', workdir });
      expect(status).toBe(422);
      expect(body.error.problems).toMatchObject([{ path: 'workdir', hint: expect.any(String) }]);
      expect(existsSync(workdir)).toBe(false);
    },
  );
});
