/** Volumes from S3 on the real server: an S3 server of real HTTP, signatures checked, and jobs that read and write. */
import { existsSync, globSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type S3Double, startS3Double } from '@gantry/blobs/testing';
import type { Job, JobSpecInput } from '@gantry/contract';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { tinyTraining } from '../e2e/testing/tiny-training.ts';
import { jobEnd, jobLog, jobWhen, runJob } from '../e2e/testing/follow.ts';
import { type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';

let double: S3Double;
let home: MemoryServer;
beforeAll(async () => {
  double = await startS3Double();
  const { endpoint, credentials } = double.settings;
  home = await startMemoryServer(['--memory', '--s3-volumes', 's3://data/open', '--s3-cache', '1MiB'], {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: credentials?.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials?.secretAccessKey,
  });
  const value = `[default]\naws_access_key_id = ${credentials?.accessKeyId}\naws_secret_access_key = ${credentials?.secretAccessKey}\n`;
  await home.operator.call('secrets.set', { params: { name: 's3' }, body: { value } });
  await home.operator.call('secrets.set', {
    params: { name: 's3-wrong' },
    body: { value: value.replace('secret+key', 'other+key') },
  });
});
afterEach(() => {
  double.faultOf = () => undefined;
});
afterAll(async () => {
  await home[Symbol.asyncDispose]();
  await double[Symbol.asyncDispose]();
});

const submit = (spec: JobSpecInput): Promise<Job> => home.operator.call('jobs.submit', { body: spec });
const run = (spec: JobSpecInput): Promise<Job> => runJob(home.operator, spec);
const logOf = (name: string): Promise<string> => jobLog(home.operator, name);
const factsOf = async (name: string, type: string): Promise<readonly unknown[]> =>
  (await home.operator.call('jobs.events', { params: { name }, query: { limit: 100 } })).items
    .filter((event) => event.type === type)
    .map(({ reason }) => reason);
const volume = { s3: 's3://data/corpus', secret: 's3', mount: 'in' };

describe('a volume from S3', () => {
  const canMount = (): boolean => home.server.platform.deps.runner.facts.mounts;
  const mounted = (name: string, test: () => Promise<void>): void =>
    it(name, async (context) => {
      context.skip(!canMount(), 'this machine allows no mount namespace');
      double.buckets.get('data')?.clear();
      double.put('data', 'corpus/a.txt', 'alpha');
      double.put('data', 'corpus/deep/b.txt', 'beta');
      double.put('data', 'open/hello', 'for everybody');
      await test();
    });

  mounted(
    'is a folder of its objects, read-only, fetched once for many jobs, and gone after them',
    async () => {
      const job = await run({
        command: 'cat in/a.txt in/deep/b.txt; touch in/new || echo " denied"',
        volumes: [volume],
      });
      expect(job).toMatchObject({ state: 'succeeded' });
      expect(job.notes).toBeUndefined();
      expect(await logOf(job.name)).toBe('alphabeta denied\n');
      expect(await factsOf(job.name, 'job.volume_fetched')).toEqual([
        { url: volume.s3, files: 2, bytes: 9, cachedBytes: 0, tookMs: expect.any(Number) },
      ]);
      const again = await run({ command: 'cat /corpus/a.txt', volumes: [{ ...volume, mount: '/corpus' }] });
      expect(await logOf(again.name)).toBe('alpha');
      expect(await factsOf(again.name, 'job.volume_fetched')).toMatchObject([{ cachedBytes: 9 }]);
      const { dataDir } = home.server.platform;
      await expect
        .poll(() => globSync('runs/*/attempts/*/volumes', { cwd: dataDir }), { timeout: 60_000 })
        .toEqual([]);
    },
  );

  mounted('that may be written is written back, also when the job fails', async () => {
    const writable = { ...volume, readOnly: false };
    const job = await run({
      command: 'echo more >> in/a.txt; echo made > in/c.txt; exit 3',
      volumes: [writable],
    });
    expect(job).toMatchObject({ state: 'failed', exitClass: 'user_error' });
    expect(double.text('data', 'corpus/a.txt')).toBe('alphamore\n');
    expect(double.text('data', 'corpus/c.txt')).toBe('made\n');
    expect(await factsOf(job.name, 'job.volume_stored')).toEqual([{ url: volume.s3, files: 2, bytes: 15 }]);
  });

  mounted('that cannot be written back fails the job and keeps the files', async () => {
    double.faultOf = ({ method }) => (method === 'PUT' ? { status: 403, code: 'AccessDenied' } : undefined);
    const job = await run({
      command: 'echo precious > in/c.txt',
      volumes: [{ ...volume, readOnly: false }],
    });
    expect(job).toMatchObject({
      state: 'failed',
      exitClass: 'user_error',
      exitMessage: expect.stringMatching(/could not be kept/),
    });
    const dir = /lie in (\S+)/.exec(job.hint ?? '')?.[1] ?? '';
    expect(existsSync(`${dir}/c.txt`)).toBe(true);
  });

  mounted('needs no secret where the operator opened the prefix, and one everywhere else', async () => {
    const open = await run({ command: 'cat in/hello', volumes: [{ s3: 's3://data/open', mount: 'in' }] });
    expect(await logOf(open.name)).toBe('for everybody');
    const closed = await run({ command: 'true', volumes: [{ s3: 's3://data/corpus', mount: 'in' }] });
    expect(closed).toMatchObject({ state: 'failed', exitClass: 'user_error' });
    expect(closed.hint).toMatch(/name a secret/);
  });

  it.each([
    [{ ...volume, s3: 's3://no-such-bucket/x' }, /no such bucket/],
    [{ ...volume, s3: 's3://data/nothing-here' }, /nothing at/],
    [{ ...volume, secret: 's3-wrong' }, /refused the credentials/],
  ])('%j is the user’s to put right', async (wrong, message) => {
    const job = await run({ command: 'true', volumes: [wrong], retries: 0 });
    expect(job).toMatchObject({ state: 'failed', exitClass: canMount() ? 'user_error' : expect.anything() });
    if (canMount()) expect(job.exitMessage).toMatch(message);
    expect(JSON.stringify(job)).not.toContain(double.settings.credentials?.secretAccessKey);
  });

  it.each([
    [{ ...volume, s3: 'data/corpus' }, /names no S3 prefix/],
    [{ ...volume, secret: 'no-such' }, /there is no secret/],
    [{ hostPath: '/tmp', secret: 's3', mount: 'in' }, /is for volumes from s3/],
  ])('%j is refused when it is submitted', async (wrong, message) => {
    const { status, body } = await home.ask('POST', '/api/v1/jobs', {
      key: home.operatorKey,
      body: { command: 'true', volumes: [wrong] },
    });
    expect(status).toBe(422);
    expect(JSON.stringify(body.error)).toMatch(canMount() ? message : /./);
  });

  mounted('of a server that is away is tried again without costing the user a retry', async () => {
    let left = 7;
    double.faultOf = () => (left-- > 0 ? { status: 503, code: 'SlowDown' } : undefined);
    const job = await run({ command: 'cat in/a.txt', volumes: [volume], retries: 0 });
    expect(job).toMatchObject({ state: 'succeeded' });
    expect(job.attempts.map(({ exitClass }) => exitClass)).toEqual(['infrastructure', 'done']);
  });

  mounted('that takes for ever does not hold up a cancel, and says how far it is', async () => {
    double.put('data', 'corpus/stuck', 'x'.repeat(5_000));
    double.faultOf = ({ key }) => (key === 'corpus/stuck' ? { stallAfterBytes: 100 } : undefined);
    const { name } = await submit({ command: 'true', volumes: [volume] });
    await jobWhen(
      home.operator,
      name,
      ({ notes }) => notes?.some((note) => note.startsWith('fetching s3://')) === true,
    );
    await home.operator.call('jobs.cancel', { params: { name } });
    expect(await jobEnd(home.operator, name)).toMatchObject({ state: 'cancelled' });
  });

  const tokens = { s3: 's3://data/tokens', secret: 's3', mount: 'tokens' };
  const learn = {
    train: tinyTraining({
      data: [{ prepared: 'tokens', stream: { shards: 1 } }],
      steps: 100,
      batchTokens: 128,
    }),
    volumes: [{ ...tokens, onDemand: ['*.bin'] }],
    resources: { cpu: 0.5, memory: '512MiB' },
  } satisfies JobSpecInput;
  const shardGets = (): string[] =>
    double.requests.flatMap(({ method, key }) => (method === 'GET' && key.endsWith('.bin') ? [key] : []));
  const prepareTokens = async (): Promise<void> => {
    const workdir = await mkdtemp(join(tmpdir(), 'gantry-texts-'));
    const texts = Array.from({ length: 400 }, (_, at) =>
      JSON.stringify({ text: `document ${at} of ${at * 7} mice` }),
    );
    await writeFile(join(workdir, 'texts.jsonl'), texts.join('\n'));
    const prepared = await run({
      workdir,
      train: tinyTraining({ recipe: 'prepare', data: ['texts.jsonl'], into: 'tokens', shardTokens: 1024 }),
      volumes: [{ ...tokens, readOnly: false }],
    });
    expect(prepared).toMatchObject({ state: 'succeeded' });
    await rm(workdir, { recursive: true });
  };

  mounted(
    'of prepared data is streamed: shards come as they are needed, and the node says that they lie there',
    async () => {
      await prepareTokens();
      const shards = [...(double.buckets.get('data')?.keys() ?? [])].filter((key) => key.endsWith('.bin'));
      expect(shards.length).toBeGreaterThanOrEqual(5);
      expect(shardGets()).toEqual([]);
      const job = await run(learn);
      expect(job).toMatchObject({ state: 'succeeded', exitClass: 'done' });
      const [fetched] = await factsOf(job.name, 'job.volume_fetched');
      expect(fetched).toMatchObject({ files: 2 });
      expect(new Set(shardGets()).size).toBe(shards.length);
      expect(home.server.platform.deps.s3Volumes.lyingHere()).toContain(tokens.s3);
      // Once more: the node has them.
      const gets = shardGets().length;
      expect(await run(learn)).toMatchObject({ state: 'succeeded' });
      expect(shardGets()).toHaveLength(gets);
    },
  );

  mounted('of prepared data whose shards S3 will not give ends the job with the reason', async () => {
    await prepareTokens();
    // Other bytes than before, or the node has them.
    for (const [key, { body }] of double.buckets.get('data') ?? [])
      if (key.endsWith('.bin')) double.put('data', key, Buffer.concat([body, Buffer.alloc(2)]));
    double.faultOf = ({ key }) => (key.endsWith('.bin') ? { status: 403, code: 'AccessDenied' } : undefined);
    const job = await run({ ...learn, retries: 0 });
    expect(job).toMatchObject({ state: 'failed', exitClass: 'user_error' });
    expect(job.exitMessage).toMatch(/refused the credentials/);
  });
});
