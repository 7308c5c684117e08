/** What every S3 server gives us, ours in the tests and real ones alike. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type S3Bucket, openS3Bucket } from './s3-bucket.ts';
import type { S3Settings } from './s3-settings.ts';

const read = async (body: AsyncIterable<Uint8Array>): Promise<Buffer> =>
  Buffer.concat(await Array.fromAsync(body));

/** `name` is an existing bucket that the suite may write to below a prefix of its own. */
export function s3BucketSuite(title: string, where: () => { settings: S3Settings; name: string }): void {
  describe(`${title} as an S3 server`, () => {
    let dir: string;
    let bucket: S3Bucket;
    let prefix: string;
    beforeAll(async () => {
      dir = await mkdtemp(join(tmpdir(), 'gantry-s3-'));
      bucket = openS3Bucket(where().settings, where().name);
      prefix = `suite-${randomBytes(4).toString('hex')}/`;
    });
    afterAll(async () => {
      await bucket[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    });
    const put = async (key: string, bytes: Buffer | string): Promise<string> => {
      const path = join(dir, randomBytes(6).toString('hex'));
      await writeFile(path, bytes);
      return (await bucket.putFile(`${prefix}${key}`, path)).etag;
    };

    it('gives back what was put, whole and from any byte on', async () => {
      const etag = await put('a.txt', 'hello world');
      expect((await read(await bucket.get(`${prefix}a.txt`))).toString()).toBe('hello world');
      expect((await read(await bucket.get(`${prefix}a.txt`, { fromByte: 6, etag }))).toString()).toBe(
        'world',
      );
      const part = await bucket.get(`${prefix}a.txt`, { fromByte: 2, lengthBytes: 3 });
      expect((await read(part)).toString()).toBe('llo');
      expect(await bucket.head(`${prefix}a.txt`)).toMatchObject({ bytes: 11, etag });
    });

    it('keeps nothing as well as something', async () => {
      await put('empty', '');
      expect(await read(await bucket.get(`${prefix}empty`))).toHaveLength(0);
    });

    it.each(['with space', 'plus+sign', 'ünïcode/ß', 'percent%20', "quote'(1)!*", 'a&b=<c>', 'tilde~_-.x'])(
      'knows an object by the name %j',
      async (key) => {
        await put(`names/${key}`, key);
        const found = await Array.fromAsync(bucket.list(`${prefix}names/`));
        expect(found.map((object) => object.key)).toContain(`${prefix}names/${key}`);
        expect((await read(await bucket.get(`${prefix}names/${key}`))).toString()).toBe(key);
      },
    );

    it('lists by prefix, in order, with sizes, however many pages it takes', async () => {
      for (let at = 0; at < 8; at += 1) await put(`list/${at}`, 'x'.repeat(at));
      const found = await Array.fromAsync(bucket.list(`${prefix}list/`));
      expect(found.map(({ key, bytes }) => [key.slice(prefix.length), bytes])).toEqual(
        Array.from({ length: 8 }, (_, at) => [`list/${at}`, at]),
      );
      expect(await Array.fromAsync(bucket.list(`${prefix}nothing/`))).toEqual([]);
    });

    it('takes a large file in parts and shows it whole', async () => {
      const bytes = randomBytes(33 * 1024 ** 2);
      const etag = await put('large', bytes);
      expect(etag).toMatch(/-3$/);
      const got = await read(await bucket.get(`${prefix}large`, { etag }));
      expect(got.equals(bytes)).toBe(true);
      const tail = await bucket.get(`${prefix}large`, { fromByte: bytes.length - 5, etag });
      expect(await read(tail)).toEqual(bytes.subarray(-5));
    });

    it('refuses a version that is no longer there', async () => {
      const etag = await put('changing', 'old');
      await put('changing', 'new!');
      await expect(bucket.get(`${prefix}changing`, { etag })).rejects.toMatchObject({
        code: 'version_conflict',
      });
    });

    it('forgets what is deleted, and says what it does not have', async () => {
      await put('gone', 'x');
      await bucket.delete(`${prefix}gone`);
      await bucket.delete(`${prefix}gone`);
      expect(await bucket.head(`${prefix}gone`)).toBeUndefined();
      await expect(bucket.get(`${prefix}gone`)).rejects.toMatchObject({ code: 'data_missing' });
    });

    it('says whose fault it is when it refuses', async () => {
      const { settings, name } = where();
      await using other = openS3Bucket(settings, 'no-such-bucket-here');
      await expect(Array.fromAsync(other.list('x/'))).rejects.toMatchObject({ code: 'data_missing' });
      for (const change of [{ accessKeyId: 'NOBODY' }, { secretAccessKey: 'wrong' }]) {
        const credentials = { accessKeyId: '', secretAccessKey: '', ...settings.credentials, ...change };
        await using denied = openS3Bucket({ ...settings, credentials }, name);
        const error = await Array.fromAsync(denied.list('x/')).catch((thrown: Error) => thrown);
        expect(error).toMatchObject({ code: 'forbidden' });
        expect(JSON.stringify(error)).not.toContain(settings.credentials?.secretAccessKey);
      }
    });
  });
}
