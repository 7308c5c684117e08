/**
 * The OpenAI client's own tests of its resources, from a checkout of openai-node that TEST_ASSET_OPENAI_NODE names:
 * nothing of it is in this repository. They are written for a mock that knows every name and id, so what stands between
 * puts ours in the place of theirs; bodies, statuses and paths are as they come.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { writePermutationModel } from '@gantry/engines/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type MemoryServer, startMemoryServer } from '../testing/memory-server.ts';
import { endpointReady } from './testing/follow.ts';

const checkout = process.env['TEST_ASSET_OPENAI_NODE'];

/** What is left out asks for what no engine here has: audio, stored chats, embeddings of another size. */
const wanted: readonly {
  /** In `tests/api-resources`. */
  readonly file: string;
  readonly resource: string;
  readonly tests: readonly string[];
}[] = [
  { file: 'completions', resource: 'completions', tests: ['create: only required params'] },
  { file: 'chat/completions/completions', resource: 'completions', tests: ['create: only required params'] },
  { file: 'embeddings', resource: 'embeddings', tests: ['create: only required params'] },
  { file: 'models', resource: 'models', tests: ['retrieve', 'list'] },
  {
    file: 'responses/responses',
    resource: 'responses',
    tests: ['retrieve', 'retrieve: request options and params are passed correctly', 'delete', 'cancel'],
  },
  {
    file: 'responses/input-items',
    resource: 'inputItems',
    tests: ['list', 'list: request options and params are passed correctly'],
  },
];

let home: MemoryServer;
let folder: string;
let between: Server;

describe.skipIf(checkout === undefined)('openai-node’s own tests', () => {
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gantry-node-'));
    home = await startMemoryServer();
    const path = join(folder, 'model.gguf');
    await writePermutationModel(path, { contextTokens: 512 });
    await home.operator.call('models.import', { body: { name: 'chat', path } });
    const resources = { cpu: 0.25, memory: 512 * 1024 ** 2, gpu: 0 };
    await home.operator.call('endpoints.create', {
      body: { name: 'chat', model: 'chat@1', slots: 4, resources },
    });
    await endpointReady(home.operator, 'chat', AbortSignal.timeout(60_000));
    const headers = { authorization: `Bearer ${home.operatorKey}`, 'content-type': 'application/json' };
    const pass = async (method: string, url: string, body: string): Promise<Response> =>
      fetch(`${home.server.url}/v1${url}`, { method, headers, ...(body === '' ? {} : { body }) });
    // Only what is made in the background can be cancelled.
    const stored = async (background: boolean): Promise<string> => {
      const body = JSON.stringify({ model: 'chat', input: 't', max_output_tokens: 3, background });
      return ((await (await pass('POST', '/responses', body)).json()) as { readonly id: string }).id;
    };
    between = createServer((request, response) => {
      void (async () => {
        const body = (await text(request)).replace(/"model":"[^"]*"/, '"model":"chat"');
        const url = (request.url ?? '')
          .replace(/^\/models\/[^/?]+/, '/models/chat')
          .replace(
            /^\/responses\/[^/?]+/,
            `/responses/${await stored((request.url ?? '').endsWith('/cancel'))}`,
          );
        const answer = await pass(request.method ?? 'GET', url, body);
        response.writeHead(answer.status, {
          'content-type': answer.headers.get('content-type') ?? 'text/plain',
        });
        response.end(await answer.text());
      })();
    });
    await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve));
  });

  afterAll(async () => {
    between.close();
    await home.operator.call('endpoints.delete', { params: { name: 'chat' } });
    await home[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  test('pass against the gateway', async () => {
    const root = checkout as string;
    const alias = [
      { find: '^openai$', replacement: join(root, 'src/index.ts') },
      { find: '^openai/(.*)$', replacement: join(root, 'src/$1') },
    ];
    const settings = `export default {
      root: ${JSON.stringify(root)},
      test: { globals: true },
      resolve: { alias: ${JSON.stringify(alias)}.map((one) => ({ ...one, find: new RegExp(one.find) })) },
    };`;
    const config = join(folder, 'vitest.config.mjs');
    const report = join(folder, 'report.json');
    await writeFile(config, settings);
    const files = wanted.map(({ file }) => `tests/api-resources/${file}.test.ts`);
    const names = wanted.flatMap(({ resource, tests }) =>
      tests.map((name) => `resource ${resource} > ${name}`),
    );
    const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
    const args = ['run', '--config', config, '--reporter=json', `--outputFile=${report}`];
    const child = spawn(process.execPath, [vitest, ...args, '-t', `^(${names.join('|')})$`, ...files], {
      cwd: root,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        ...process.env,
        TEST_API_BASE_URL: `http://127.0.0.1:${(between.address() as AddressInfo).port}`,
      },
    });
    const complaint = await text(child.stderr);
    const { testResults } = JSON.parse(await readFile(report, 'utf8').catch(() => '{}')) as Report;
    const ran = (testResults ?? []).flatMap(({ assertionResults }) => assertionResults);
    const failed = ran.filter(({ status }) => status === 'failed');
    expect(failed.map(({ fullName, failureMessages }) => `${fullName}: ${failureMessages[0]}`)).toEqual([]);
    expect(ran.filter(({ status }) => status === 'passed').length, complaint).toBe(names.length);
  });
});

interface Report {
  readonly testResults?: readonly {
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}
