import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createObjectCache } from '@gantry/blobs/s3';
import { type S3Double, startS3Double } from '@gantry/blobs/testing';
import { type Job, isTerminal } from '@gantry/contract';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openBlobs } from './open-blobs.ts';
import { readOptions } from './options.ts';
import { startMemoryServer } from './testing/memory-server.ts';

let double: S3Double;
let dir: string;
beforeEach(async () => {
  double = await startS3Double();
  dir = mkdtempSync(join(tmpdir(), 'gantry-blobs-'));
});
afterEach(async () => {
  await double[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

const env = (): NodeJS.ProcessEnv => ({
  GANTRY_S3_ENDPOINT: double.settings.endpoint,
  GANTRY_S3_ACCESS_KEY_ID: double.settings.credentials?.accessKeyId,
  GANTRY_S3_SECRET_ACCESS_KEY: double.settings.credentials?.secretAccessKey,
});
const open = (blobs?: string) =>
  openBlobs(
    dir,
    { ...readOptions([], env(), 1).s3, blobs },
    createObjectCache(join(dir, 's3-cache'), 1_000_000),
  );

describe('the words for S3', () => {
  it.each([
    [['--s3-cache', 'much'], /is no size/],
    [['--s3-volumes', 'bucket/x'], /names no S3 prefix/],
    [['--blobs', 'bucket/x'], /names no S3 prefix/],
    [['--checkpoints', 's3://data/x', '--s3-volumes', 's3://data'], /to everybody/],
  ])('%j are refused at the start', (args, message) => {
    expect(() => readOptions(args, {}, 1)).toThrow(message);
  });

  it('may come from the environment', () => {
    const env = { GANTRY_BLOBS: 's3://b-1/x', GANTRY_S3_CACHE: '1GiB', GANTRY_CHECKPOINTS: 's3://b-1/c' };
    expect(readOptions([], env, 1).s3).toMatchObject({
      blobs: 's3://b-1/x',
      cacheBytes: 2 ** 30,
      checkpoints: 's3://b-1/c',
    });
  });
});

describe('a server that keeps its blobs on S3', () => {
  it('puts what jobs leave behind there and gives it back', async () => {
    await using home = await startMemoryServer(['--memory', '--blobs', 's3://data/platform'], env());
    const { name } = await home.operator.call('jobs.submit', {
      body: { command: 'echo result > out.txt', outputs: ['out.txt'] },
    });
    const watched = home.operator.watch('jobs.watch', { params: { name } });
    for await (const { event, data } of watched)
      if (event === 'job' && isTerminal((data as Job).state)) break;
    const keys = [...(double.buckets.get('data')?.keys() ?? [])];
    expect(keys).toEqual([
      'platform/gantry-owner',
      expect.stringMatching(/^platform\/sha256\/[0-9a-f]{2}\/[0-9a-f]{62}$/),
    ]);
    const got = home.operator.download('jobs.output', { params: { name }, query: { path: 'out.txt' } });
    expect(Buffer.concat(await Array.fromAsync(got)).toString()).toBe('result\n');
  });

  it('is refused a prefix that another platform has', async () => {
    double.put('data', 'platform/gantry-owner', 'ten_other\n');
    await expect(
      startMemoryServer(['--memory', '--blobs', 's3://data/platform'], env()),
    ).rejects.toMatchObject({ code: 'in_use' });
  });

  it('is refused another place than the one its data directory names', async () => {
    await (await open('s3://data/one'))[Symbol.asyncDispose]();
    await (await open('s3://data/one/'))[Symbol.asyncDispose]();
    await expect(open('s3://data/two')).rejects.toMatchObject({ code: 'data_missing' });
    await expect(open()).rejects.toMatchObject({ hint: 'start with --blobs s3://data/one/' });
  });

  it('is refused while blobs lie on disk, and told how to move them', async () => {
    mkdirSync(join(dir, 'blobs/sha256'), { recursive: true });
    await expect(open('s3://data/one')).rejects.toMatchObject({
      hint: expect.stringMatching(/copy .*sha256/),
    });
    await (await open())[Symbol.asyncDispose]();
  });

  it.each([['s3://data'], ['s3://data/platform'], ['s3://data/platform/sub']])(
    'does not open them to jobs by --s3-volumes %s',
    (opened) => {
      expect(() => readOptions(['--blobs', 's3://data/platform', '--s3-volumes', opened], {}, 1)).toThrow(
        /to everybody/,
      );
    },
  );
});
