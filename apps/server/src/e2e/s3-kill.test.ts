/** A server killed while a volume from S3 arrives or goes back: the next one ends what the first began. */
import { globSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type S3Double, startS3Double } from '@gantry/blobs/testing';
import type { Job } from '@gantry/contract';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ScratchDir, createScratchDir } from './testing/scratch-dir.ts';
import { jobEnd } from './testing/follow.ts';
import { type ServerProcess, startServer } from './testing/server-process.ts';

let dir: ScratchDir;
let double: S3Double;
let server: ServerProcess;
const start = async (): Promise<void> => {
  const { endpoint, credentials } = double.settings;
  server = await startServer({
    dataDir: join(dir.path, 'data'),
    args: ['--s3-volumes', 's3://data'],
    env: {
      GANTRY_S3_ENDPOINT: endpoint,
      GANTRY_S3_ACCESS_KEY_ID: credentials?.accessKeyId ?? '',
      GANTRY_S3_SECRET_ACCESS_KEY: credentials?.secretAccessKey ?? '',
    },
  });
};
beforeAll(async () => {
  dir = await createScratchDir('s3');
  double = await startS3Double();
  await start();
});
afterAll(async () => {
  await server.end('SIGTERM');
  await double[Symbol.asyncDispose]();
  await dir[Symbol.asyncDispose]();
});

const ended = (name: string): Promise<Job> => jobEnd(server.client, name);
const canMount = async (): Promise<boolean> =>
  await server.client
    .call('jobs.submit', { body: { command: 'true', volumes: [{ name: 'probe', mount: 'x' }] } })
    .then(
      () => true,
      () => false,
    );

test('arriving: what is there already is not asked for again', async (context) => {
  context.skip(!(await canMount()), 'this machine allows no mount namespace');
  double.put('data', 'corpus/large', 'x'.repeat(200_000));
  double.faultOf = ({ key }) => (key === 'corpus/large' ? { stallAfterBytes: 120_000 } : undefined);
  const { name } = await server.client.call('jobs.submit', {
    body: { command: 'wc -c < in/large', volumes: [{ s3: 's3://data/corpus', mount: 'in' }] },
  });
  const cache = join(dir.path, 'data/s3-cache');
  const partBytes = (): number =>
    globSync('*.part', { cwd: cache }).reduce((sum, part) => sum + statSync(join(cache, part)).size, 0);
  await expect.poll(partBytes, { timeout: 60_000 }).toBe(120_000);
  await server.end('SIGKILL');
  double.faultOf = () => undefined;
  await start();
  expect(await ended(name)).toMatchObject({ state: 'succeeded', attempts: [{ exitClass: 'done' }] });
  const last = double.requests.findLast(({ key }) => key === 'corpus/large');
  expect(last?.range).toBe('bytes=120000-');
});

test('going back: it is there in the end, once the job has ended', async (context) => {
  context.skip(!(await canMount()), 'this machine allows no mount namespace');
  double.faultOf = ({ method }) => (method === 'PUT' ? { status: 503, code: 'SlowDown' } : undefined);
  const { name } = await server.client.call('jobs.submit', {
    body: {
      command: 'echo result > out/file',
      volumes: [{ s3: 's3://data/results', mount: 'out', readOnly: false }],
    },
  });
  await expect
    .poll(() => double.requests.some(({ method }) => method === 'PUT'), { timeout: 60_000 })
    .toBe(true);
  await server.end('SIGKILL');
  double.faultOf = () => undefined;
  await start();
  expect(await ended(name)).toMatchObject({ state: 'succeeded', attempts: [{ exitClass: 'done' }] });
  expect(double.text('data', 'results/file')).toBe('result\n');
});
