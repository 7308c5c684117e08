/** Work with an image over HTTP: jobs and servers of users' own, on a machine that runs containers and on one that does not. */
import { join } from 'node:path';
import type { Endpoint, Job } from '@gantry/contract';
import { writePermutationModel } from '@gantry/engines/testing';
import { type TestedTool, makeDouble } from '@gantry/runners/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from './e2e/testing/until.ts';
import { type Answer, type MemoryServer, startMemoryServer } from './testing/memory-server.ts';

const resources = { cpu: 0.1, memory: '256MiB' };

describe('a machine with a container tool', () => {
  let tested: TestedTool;
  let home: MemoryServer;
  beforeAll(async () => {
    tested = await makeDouble();
    home = await startMemoryServer(['--memory'], { GANTRY_CONTAINERS: tested.tool.path });
  }, 180_000);
  afterAll(async () => {
    await home[Symbol.asyncDispose]();
    await tested[Symbol.asyncDispose]();
  });

  const submit = (spec: object): Promise<Answer> =>
    home.ask('POST', '/api/v1/jobs', { key: home.operatorKey, body: { resources, ...spec } });
  async function ended(spec: object): Promise<Job> {
    const { status, text, body } = await submit(spec);
    expect([status, text]).toEqual([201, text]);
    let last: unknown;
    for await (const { event, data } of home.operator.watch('jobs.watch', { params: { name: body.id } }))
      if (event === 'job') last = data;
    return last as Job;
  }

  test('says so, and its name for the tool', async () => {
    const { items } = await home.operator.call('nodes.list', { query: { limit: 10 } });
    expect(items[0]).toMatchObject({
      labels: { 'gantry.dev/containers': 'yes' },
      facts: { containers: expect.stringMatching(/^podman \d/) },
    });
  });

  test('runs a job in its image, with secrets, volumes and outputs, and tells which image it was', async () => {
    await home.operator.call('secrets.set', { params: { name: 'token' }, body: { value: 's3cret' } });
    const job = await ended({
      name: 'contained',
      image: tested.image,
      secrets: ['token'],
      command: 'test "$TOKEN" = s3cret && echo "rank $RANK in $PWD" && echo kept > kept.txt',
      outputs: ['*.txt'],
    });
    expect(job).toMatchObject({
      state: 'succeeded',
      outputs: [{ path: 'kept.txt' }],
      attempts: [
        { image: { reference: tested.image, id: '5f0e', digest: expect.stringMatching(/^sha256:7+$/) } },
      ],
    });
    const { text } = await home.ask('GET', '/api/v1/jobs/contained/logs', { key: home.operatorKey });
    expect(text).toContain('rank 0 in ');
  });

  test('names the image in the lineage of the model that was made in it, whatever the job says itself', async () => {
    await writePermutationModel(join(tested.home ?? '', 'made.gguf'), { seed: 2 });
    const artifact = {
      type: 'artifact',
      kind: 'model',
      at: '2026-01-01T00:00:00Z',
      path: `'$PWD'/made.gguf`,
      formats: ['gguf'],
      metrics: {},
      lineage: { image: 'mine' },
    };
    const claim = { type: 'facts', at: artifact.at, values: { image: 'mine:1', imageId: 'f00d' } };
    const job = await ended({
      image: tested.image,
      register: 'made',
      command: `cp ${tested.home}/made.gguf . && echo '${JSON.stringify(claim)}' >> $GANTRY_REPORT_FILE && echo '${JSON.stringify(artifact)}' >> $GANTRY_REPORT_FILE`,
    });
    expect(job).toMatchObject({ state: 'succeeded', modelVersion: 'made@1' });
    const { items } = await home.operator.call('models.versions', { params: { name: 'made' } });
    expect(items[0]?.lineage['image']).toMatchObject({ reference: tested.image, id: '5f0e' });
  });

  test('pulls a private image with the secret of its registry', async () => {
    await home.operator.call('secrets.set', { params: { name: 'ghcr' }, body: { value: 'ann:pa55\n' } });
    const job = await ended({ image: 'ghcr.io/acme/tool:2', imageSecret: 'ghcr', command: 'true' });
    expect(job.state).toBe('succeeded');
    const { body } = await submit({ image: 'ghcr.io/acme/tool:2', imageSecret: 'nobody', command: 'true' });
    expect(body.error).toMatchObject({
      code: 'validation_failed',
      problems: [{ path: 'imageSecret', message: 'there is no secret "nobody"' }],
    });
  });

  test('says of an image that nobody knows what to look at', async () => {
    const job = await ended({ image: 'registry.test/unknown:1', command: 'true' });
    expect(job).toMatchObject({
      state: 'failed',
      exitClass: 'user_error',
      exitMessage: expect.stringContaining('manifest unknown'),
      hint: expect.stringContaining('docker.io/library/'),
    });
  });

  test.each([
    ['archive of the machine', { image: 'docker-archive:/etc/shadow', command: 'true' }],
    ['folder of the machine', { image: 'dir:/etc', command: 'true' }],
    ['option of the tool', { image: '--privileged', command: 'true' }],
    ['image with nothing to run in it', { image: 'docker.io/library/python:3.13' }],
    [
      'image for a training of ours',
      { image: 'docker.io/library/python:3.13', train: { recipe: 'classifier', data: ['a'] } },
    ],
    ['secret without an image', { imageSecret: 'ghcr', command: 'true' }],
  ])('takes no %s', async (_what, spec) => {
    const { status, body } = await submit(spec);
    expect([status, body.error.code]).toEqual([422, 'validation_failed']);
  });

  test('serves a model by an image, once its health path answers', async () => {
    const program = `
      const { createServer } = require('node:http');
      const { PORT, MODEL_NAME } = process.env;
      createServer((request, response) => {
        if (request.url === '/alive') return response.end('yes');
        request.resume().on('end', () => {
          const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
          response.setHeader('content-type', 'application/json');
          response.end(JSON.stringify({ object: 'text_completion', choices: [{ index: 0, text: MODEL_NAME }], usage }));
        });
      }).listen(Number(PORT), '127.0.0.1');`;
    const path = join(tested.home ?? '', 'lm.gguf');
    await writePermutationModel(path, { seed: 1 });
    await home.operator.call('models.import', { body: { name: 'lm', path } });
    const made = await home.ask('POST', '/api/v1/endpoints', {
      key: home.operatorKey,
      body: {
        name: 'own',
        model: 'lm@1',
        resources,
        server: { image: tested.image, command: [process.execPath, '-e', program], healthPath: '/alive' },
      },
    });
    expect([made.status, made.text]).toEqual([201, made.text]);
    const endpoint = (): Promise<Endpoint> =>
      home.operator.call('endpoints.get', { params: { name: 'own' } });
    await until('it is ready', async () => (await endpoint()).state === 'ready');
    const { body } = await home.ask('POST', '/v1/completions', {
      key: home.operatorKey,
      body: { model: 'own', prompt: 'a', max_tokens: 1 },
    });
    expect(body.choices[0].text).toBe('lm@1');
    expect(await endpoint()).toMatchObject({
      network: 'shared',
      replicas: [
        { image: { reference: tested.image, id: '5f0e', digest: expect.stringMatching(/^sha256:7+$/) } },
      ],
    });
    await home.operator.call('endpoints.update', { params: { name: 'own' }, body: { replicas: 0 } });
    await until('its container is gone', async () => (await endpoint()).replicas.length === 0);
  });
});

describe('a machine without', () => {
  let home: MemoryServer;
  beforeAll(async () => {
    home = await startMemoryServer(['--memory', '--containers', 'none']);
  }, 180_000);
  afterAll(() => home[Symbol.asyncDispose]());

  const spec = { resources, name: 'waits', image: 'docker.io/library/python:3.13', command: 'true' };

  test('refuses a job with an image and says what to install', async () => {
    const { status, body } = await home.ask('POST', '/api/v1/jobs', { key: home.operatorKey, body: spec });
    expect([status, body.error.code]).toEqual([422, 'unsatisfiable_request']);
    expect(body.error.message).toContain('install podman, docker or nerdctl');
  });

  test('lets it wait for a machine where it asks for that, with the reason', async () => {
    const body = { ...spec, waitForCapacity: true };
    expect((await home.ask('POST', '/api/v1/jobs', { key: home.operatorKey, body })).status).toBe(201);
    const job = (): Promise<Job> => home.operator.call('jobs.get', { params: { name: 'waits' } });
    await until('it is told why it waits', async () => (await job()).waiting !== undefined);
    expect(JSON.stringify((await job()).waiting)).toContain('runs containers');
  });
});
