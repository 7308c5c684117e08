/** Checkpoints that go to S3 as well, on the real server: a run's folder is lost, and the job goes on from there. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type S3Double, startS3Double } from '@gantry/blobs/testing';
import type { Job, JobSpecInput } from '@gantry/contract';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { jobEnd, runJob } from '../e2e/testing/follow.ts';
import { type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';

let double: S3Double;
let home: MemoryServer;
beforeAll(async () => {
  double = await startS3Double();
  const { endpoint, credentials } = double.settings;
  home = await startMemoryServer(['--memory', '--checkpoints', 's3://data/by-default'], {
    GANTRY_S3_ENDPOINT: endpoint,
    GANTRY_S3_ACCESS_KEY_ID: credentials?.accessKeyId,
    GANTRY_S3_SECRET_ACCESS_KEY: credentials?.secretAccessKey,
  });
  const value = `aws_access_key_id=${credentials?.accessKeyId}\naws_secret_access_key=${credentials?.secretAccessKey}`;
  await home.operator.call('secrets.set', { params: { name: 's3' }, body: { value } });
});
afterEach(() => {
  double.faultOf = () => undefined;
  double.buckets.get('data')?.clear();
});
afterAll(async () => {
  await home[Symbol.asyncDispose]();
  await double[Symbol.asyncDispose]();
});

const ended = (name: string): Promise<Job> => jobEnd(home.operator, name);
const run = (spec: JobSpecInput): Promise<Job> => runJob(home.operator, spec);
const keys = (prefix: string): readonly string[] =>
  [...(double.buckets.get('data')?.keys() ?? [])].filter((key) => key.startsWith(prefix));
/** As Hugging Face writes it; the second time it finds one and ends well. */
const command = `
  if [ -e checkpoint-7/weights ]; then cat checkpoint-7/weights; exit 0; fi
  mkdir checkpoint-7; printf learnt > checkpoint-7/weights; echo '{}' > checkpoint-7/trainer_state.json; exit 3`;
const to = 's3://data/mine';

describe('checkpoints on S3', () => {
  it.each([
    ['where the job says', { checkpoint: { to, secret: 's3' } }, 'mine/'],
    ['where the operator says', {}, 'by-default/'],
  ])('%s bring a run back whose folder is lost', async (_, spec, prefix) => {
    const failed = await run({ command, ...spec });
    expect(failed).toMatchObject({ state: 'failed', exitClass: 'user_error' });
    expect(keys(`${prefix}${failed.id}/versions/`)).toHaveLength(1);
    const runDir = join(home.server.platform.dataDir, 'runs', failed.id);
    expect(existsSync(join(runDir, 'checkpoint-7/weights'))).toBe(true);
    rmSync(runDir, { recursive: true });
    await home.operator.call('jobs.retry', { params: { name: failed.name } });
    expect(await ended(failed.name)).toMatchObject({ state: 'succeeded' });
    const { items } = await home.operator.call('jobs.events', {
      params: { name: failed.name },
      query: { limit: 100 },
    });
    expect(items.find(({ type }) => type === 'job.checkpoint_restored')?.reason).toEqual({
      files: 2,
      bytes: 9,
    });
  });

  it('go there while the job runs, after each that it reports', async () => {
    const { name, id } = await home.operator.call('jobs.submit', {
      body: {
        command: `mkdir checkpoint-1; echo '{}' > checkpoint-1/trainer_state.json
          echo '{"type":"checkpoint","at":"2026-01-01T00:00:00Z","step":1,"path":"checkpoint-1"}' >> $GANTRY_REPORT_FILE
          while [ ! -e go ]; do sleep 0.05; done`,
        checkpoint: { to, secret: 's3' },
      },
    });
    await expect.poll(() => keys(`mine/${id}/versions/`).length, { timeout: 60_000 }).toBe(1);
    await home.operator.call('jobs.cancel', { params: { name } });
    expect(await ended(name)).toMatchObject({ state: 'cancelled' });
  });

  it('that could not go there cost the job nothing but a note', async () => {
    double.faultOf = ({ method }) => (method === 'PUT' ? { status: 403, code: 'AccessDenied' } : undefined);
    const job = await run({
      command: 'mkdir checkpoint-1; echo {} > checkpoint-1/trainer_state.json',
      checkpoint: { to, secret: 's3' },
    });
    expect(job).toMatchObject({
      state: 'succeeded',
      notes: [expect.stringMatching(/the newest checkpoint is not on S3: .*refused the credentials/)],
    });
  });

  it.each([
    [{ to: 'mine' }, /names no S3 prefix/],
    [{ to, secret: 'no-such' }, /there is no secret/],
    [{ secret: 's3' }, /name `to` as well/],
    [{ to: 's3://data/by-default' }, /leave checkpoint.to out/],
  ])('%j is refused when it is submitted', async (checkpoint, message) => {
    const { status, body } = await home.ask('POST', '/api/v1/jobs', {
      key: home.operatorKey,
      body: { command: 'true', checkpoint },
    });
    expect(status).toBe(422);
    expect(JSON.stringify(body.error)).toMatch(message);
  });
});
