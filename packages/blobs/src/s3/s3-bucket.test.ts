import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Fault, type S3Double, type SeenRequest, startS3Double } from '../testing/s3-double.ts';
import { download } from './download.ts';
import { openS3Bucket } from './s3-bucket.ts';
import { s3BucketSuite } from './s3-bucket.suite.ts';

let double: S3Double;
let dir: string;
beforeAll(async () => {
  double = await startS3Double();
  dir = await mkdtemp(join(tmpdir(), 'gantry-s3-'));
});
afterAll(async () => {
  await double[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

s3BucketSuite('the double', () => ({ settings: double.settings, name: 'data' }));

const patience = { attempts: 4, firstDelayMs: 1, silenceMs: 30_000 };
const signal = new AbortController().signal;

describe('a server that fails', () => {
  beforeEach(() => {
    double.requests.length = 0;
    double.put('data', 'f/object', 'x'.repeat(1_000));
  });
  afterEach(async () => {
    double.faultOf = () => undefined;
    for (const name of await readdir(dir)) await rm(join(dir, name));
  });
  const failing = (times: number, fault: Fault): void => {
    let left = times;
    double.faultOf = ({ method }: SeenRequest) => (method === 'GET' && left-- > 0 ? fault : undefined);
  };
  const fetchObject = async (silenceMs = 30_000): Promise<number> => {
    await using bucket = openS3Bucket(double.settings, 'data', { ...patience, silenceMs });
    const object = await bucket.head('f/object');
    if (object === undefined) throw new Error('it is gone');
    await download(bucket, object, join(dir, 'part'), { signal, firstDelayMs: 1 });
    return (await stat(join(dir, 'part'))).size;
  };

  it.each([
    { status: 500, code: 'InternalError' },
    { status: 503, code: 'SlowDown' },
    { status: 429, code: 'TooManyRequests' },
  ])('with %j is asked again', async (fault) => {
    failing(3, fault);
    expect(await fetchObject()).toBe(1_000);
  });

  it('for good is the platform’s fault, in a sentence', async () => {
    failing(99, { status: 503, code: 'SlowDown' });
    await expect(fetchObject()).rejects.toMatchObject({
      code: 'storage_unavailable',
      message: expect.stringContaining('503 SlowDown'),
    });
  });

  it('by breaking off is asked for the rest only', async () => {
    failing(3, { breakAfterBytes: 300 });
    expect(await fetchObject()).toBe(1_000);
    const ranges = double.requests.filter(({ method }) => method === 'GET').map(({ range }) => range);
    expect(ranges[0]).toBeUndefined();
    expect(ranges.at(-1)).toMatch(/^bytes=[1-9]\d*-$/);
  });

  it('by falling silent is given up and asked again', async () => {
    failing(1, { stallAfterBytes: 10 });
    expect(await fetchObject(1_000)).toBe(1_000);
  });

  it('by sending other bytes once is asked again, and not believed twice', async () => {
    failing(1, { damageByte: 7 });
    expect(await fetchObject()).toBe(1_000);
    await rm(join(dir, 'part'));
    failing(99, { damageByte: 7 });
    await expect(fetchObject()).rejects.toMatchObject({ code: 'storage_unavailable' });
    expect(await readdir(dir)).toEqual([]);
  });

  it('by refusing is not asked again: 403 is the caller’s to put right', async () => {
    failing(99, { status: 403, code: 'AccessDenied' });
    await expect(fetchObject()).rejects.toMatchObject({ code: 'forbidden' });
    expect(double.requests.filter(({ method }) => method === 'GET')).toHaveLength(1);
  });

  it('to be there at all is the platform’s fault', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    await new Promise((resolve) => server.close(resolve));
    const settings = { ...double.settings, endpoint: `http://127.0.0.1:${port}` };
    await using bucket = openS3Bucket(settings, 'data', patience);
    await expect(bucket.head('x')).rejects.toMatchObject({ code: 'storage_unavailable' });
  });

  it('is left at once by whoever changes his mind', async () => {
    failing(99, { stallAfterBytes: 10 });
    await using bucket = openS3Bucket(double.settings, 'data', patience);
    const object = await bucket.head('f/object');
    const abort = new AbortController();
    const onBytes = (): void => abort.abort();
    await expect(
      download(bucket, object ?? expect.fail(), join(dir, 'part'), { signal: abort.signal, onBytes }),
    ).rejects.toThrow(/abort/);
  });

  it('goes on where an earlier process stopped', async () => {
    await writeFile(join(dir, 'part'), 'x'.repeat(400));
    expect(await fetchObject()).toBe(1_000);
    expect(double.requests.at(-1)?.range).toBe('bytes=400-');
  });
});
