/** A tenant's own model server in a network of its own: the gateway reaches it, other work of the machine does not. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Endpoint } from '@gantry/contract';
import { writePermutationModel } from '@gantry/engines/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from './e2e/testing/until.ts';
import { type MemoryServer, startMemoryServer } from './testing/memory-server.ts';

const resources = { cpu: 0.1, memory: '256MiB' };
/** Tells its port to whoever asks it. */
const program = `
  const { createServer } = require('node:http');
  const { PORT, MODEL_NAME } = process.env;
  createServer((request, response) => {
    if (request.url === '/health') return response.end(PORT);
    request.resume().on('end', () => {
      const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
      const choices = [{ index: 0, text: PORT + ' of ' + MODEL_NAME }];
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ object: 'text_completion', choices, usage }));
    });
  }).listen(Number(PORT), '127.0.0.1');`;

describe('a server of a user’s own', () => {
  let home: MemoryServer;
  let dir: string;
  let canBeOwn: boolean;
  beforeAll(async () => {
    home = await startMemoryServer(['--memory']);
    canBeOwn = home.server.platform.deps.runner.facts.ownNetwork;
    dir = mkdtempSync(join(tmpdir(), 'gantry-own-network-'));
    const path = join(dir, 'lm.gguf');
    await writePermutationModel(path, { seed: 1 });
    await home.operator.call('models.import', { body: { name: 'lm', path } });
  }, 180_000);
  afterAll(async () => {
    await home[Symbol.asyncDispose]();
    rmSync(dir, { recursive: true, force: true });
  });

  const endpoint = (name: string): Promise<Endpoint> =>
    home.operator.call('endpoints.get', { params: { name } });
  async function serve(name: string, server: object): Promise<{ readonly port: number }> {
    const body = { name, model: 'lm@1', resources, server };
    const made = await home.ask('POST', '/api/v1/endpoints', { key: home.operatorKey, body });
    expect([made.status, made.text]).toEqual([201, made.text]);
    await until(`${name} is ready`, async () => (await endpoint(name)).state === 'ready');
    const { body: answer } = await home.ask('POST', '/v1/completions', {
      key: home.operatorKey,
      body: { model: name, prompt: 'a', max_tokens: 1 },
    });
    const [, port, model] = /^(\d+) of (.*)$/.exec(answer.choices[0].text) ?? [];
    expect(model).toBe('lm@1');
    return { port: Number(port) };
  }
  /** What a job of this machine gets from that port. */
  async function jobAt(port: number, network?: 'own'): Promise<string> {
    const attack = `require('node:http').get({ host: '127.0.0.1', port: ${port}, path: '/health' }, (answer) => answer.on('data', (said) => console.log('got ' + said))).on('error', ({ code }) => console.log(code))`;
    const { status, text, body } = await home.ask('POST', '/api/v1/jobs', {
      key: home.operatorKey,
      body: {
        resources,
        command: [process.execPath, '-e', attack],
        ...(network === undefined ? {} : { network }),
      },
    });
    expect([status, text]).toEqual([201, text]);
    for await (const _each of home.operator.watch('jobs.watch', { params: { name: body.id } }));
    return (await home.ask('GET', `/api/v1/jobs/${body.id}/logs`, { key: home.operatorKey })).text;
  }

  test('is handed the model’s files, and so gets a network in which the gateway alone reaches it', async ({
    skip,
  }) => {
    skip(!canBeOwn, 'this machine permits no network namespace');
    const { port } = await serve('own', { command: [process.execPath, '-e', program, '$MODEL_PATH'] });
    expect((await endpoint('own')).network).toBe('own');
    expect(await jobAt(port)).toContain('ECONNREFUSED');
    await home.operator.call('endpoints.update', { params: { name: 'own' }, body: { replicas: 0 } });
    await until('its process is gone', async () => (await endpoint('own')).replicas.length === 0);
  });

  test('may be in the machine’s: then every job reaches it that has none of its own', async () => {
    const { port } = await serve('open', { command: [process.execPath, '-e', program], network: 'shared' });
    expect((await endpoint('open')).network).toBe('shared');
    expect(await jobAt(port)).toContain(`got ${port}`);
    if (canBeOwn) expect(await jobAt(port, 'own')).toContain('ECONNREFUSED');
  });

  test('has a job of several ranks in the machine’s, where they meet', async () => {
    const { status, body } = await home.ask('POST', '/api/v1/jobs', {
      key: home.operatorKey,
      body: { resources, command: 'true', replicas: 2, network: 'own' },
    });
    expect([status, body.error.problems]).toEqual([422, [expect.objectContaining({ path: 'network' })]]);
  });

  test('cannot lead the gateway to a port of somebody else by what it writes down', async () => {
    const theirs = createServer((_request, response) => response.end('theirs')).listen(0, '127.0.0.1');
    await once(theirs, 'listening');
    const { port: notIts } = theirs.address() as AddressInfo;
    const lie = JSON.stringify({ port: notIts, healthPath: '/' });
    const lying = `require('node:fs').writeFileSync(process.env.GANTRY_WORKER_DIR + '/endpoint.json', '${lie}'); ${program}`;
    const { port } = await serve('lying', { command: [process.execPath, '-e', lying], network: 'shared' });
    theirs.close();
    expect(port).not.toBe(notIts);
  });
});
