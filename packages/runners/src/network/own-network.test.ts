/** A worker with a network of its own, as whoever runs the tests: what it listens at, and who reaches that. */
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Runner, WorkerNetwork, WorkerSpec } from '@gantry/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { probeIsolation } from '../local/isolation.ts';
import { createLocalRunner } from '../local/local-runner.ts';
import { workerFiles } from '../local/worker-files.ts';

const isolation = probeIsolation();
let dir: string;
let runner: Runner;
const at = (...names: readonly string[]): string => join(dir, ...names);
let port: number;

beforeEach(async () => {
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  ({ port } = free.address() as AddressInfo);
  await new Promise((closed) => free.close(closed));
  dir = mkdtempSync(join(tmpdir(), 'gantry-net-'));
  for (const name of ['home', 'project']) mkdirSync(at(name));
  const hidden = { paths: [at('home')], heldDir: at('held') };
  const workersDir = at('home/workers');
  runner = createLocalRunner({ workersDir, nodePath: process.execPath, isolation, hidden });
});
afterEach(async () => {
  await runner[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

const start = (workerId: string, program: string, change: Partial<WorkerSpec> = {}): Promise<void> => {
  const file = at('project', `${workerId}.mjs`);
  writeFileSync(file, program);
  return runner.start({
    workerId,
    attemptId: 'att',
    jobId: 'job',
    rank: 0,
    command: [process.execPath, file],
    cwd: at('project'),
    env: { PORT: String(port) },
    limits: { cpuMilli: 1000, memoryBytes: 2 ** 29, pids: 64 },
    logLimitBytes: 2 ** 20,
    ...change,
  });
};

async function said(workerId: string): Promise<string> {
  for await (const event of runner.events(AbortSignal.timeout(60_000))) {
    if (event.workerId === workerId && (event.type === 'exited' || event.type === 'lost')) break;
  }
  const { stdout, stderr } = workerFiles(at('home/workers'), workerId);
  return readFileSync(stdout, 'utf8') + readFileSync(stderr, 'utf8');
}

const shared = `
import { connect, createServer } from 'node:net';
const reach = (where) => new Promise((resolve) => {
  const socket = connect(where).on('connect', () => resolve('reached')).on('error', ({ code }) => resolve(code));
  setTimeout(() => resolve('nothing'), 5000).unref();
  socket.unref();
});
`;
/** Says which port and abstract socket it has, then stays until somebody says that it may end. */
const server = `
import { createServer } from 'node:http';
import { createServer as listen } from 'node:net';
const abstract = listen().listen('\\0gantry-test-' + process.env.PORT);
const server = createServer((request, response) => {
  if (request.url === '/end') { response.end('last words', () => undefined); setImmediate(() => process.exit(0)); return; }
  response.write('first ');
  request.resume().on('end', () => response.end('second'));
}).listen(Number(process.env.PORT), '127.0.0.1');
`;

const network = (): WorkerNetwork => ({ door: { socketPath: at('door.sock'), port } });

async function ask(path: string, body = ''): Promise<string> {
  for (const until = Date.now() + 60_000; ;) {
    try {
      return await askOnce(path, body);
    } catch (error) {
      if (Date.now() > until) throw error;
      await once(AbortSignal.timeout(20), 'abort');
    }
  }
}

function askOnce(path: string, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: at('door.sock'), path, method: 'POST' }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve(text)).on('error', reject);
    });
    asked.on('error', reject).end(body);
  });
}

describe.skipIf(isolation.network === undefined)('a network of its own', () => {
  it('lets in who comes through its door, and nobody else of the machine', async () => {
    await start('server', server, { network: network() });
    expect(await ask('/')).toBe('first second');
    const attack = `${shared} console.log(await reach({ port: ${port}, host: '127.0.0.1' }), await reach({ path: '\\0gantry-test-${port}' }));`;
    await start('job', attack);
    expect(await said('job')).toBe('ECONNREFUSED ECONNREFUSED\n');
    await start('separate', attack, { network: {} });
    expect(await said('separate')).toBe('ECONNREFUSED ECONNREFUSED\n');
    expect(await ask('/end')).toBe('last words');
    expect(await said('server')).toBe('');
  });

  it('is needed: without it a job reaches both', async () => {
    await start('server', `${server} console.log(0);`);
    const attack = `${shared} let seen; while ((seen = [await reach({ port: ${port}, host: '127.0.0.1' }), await reach({ path: '\\0gantry-test-${port}' })].join()) !== 'reached,reached') if (seen.includes('nothing')) break; console.log(seen);`;
    await start('job', attack);
    expect(await said('job')).toBe('reached,reached\n');
    await runner.stop('server', { graceMs: 0 });
    await said('server');
  });

  it('lets nobody out: not to the machine, not into its network again', async () => {
    const outside = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await once(outside, 'listening');
    const { port: theirs } = outside.address() as AddressInfo;
    const attack = `${shared}
      import { spawnSync } from 'node:child_process';
      console.log(await reach({ port: ${theirs}, host: '127.0.0.1' }), await reach({ port: 53, host: '192.0.2.1' }));
      for (const pid of [1, process.ppid, ${process.pid}])
        console.log(spawnSync('nsenter', ['--net=/proc/' + pid + '/ns/net', process.execPath, '-e', "require('net').connect(${theirs}, '127.0.0.1').on('connect', () => process.exit(9))"]).status === 9);`;
    await start('job', attack, { network: {} });
    const text = await said('job');
    outside.close();
    expect(text).toMatch(/^ECONNREFUSED (ENETUNREACH|EHOSTUNREACH)\nfalse\nfalse\nfalse\n$/);
  });

  it('ends with its worker, and says so when its door cannot be opened', async () => {
    await start('server', server, { network: { door: { socketPath: at('no-folder/door.sock'), port } } });
    await said('server');
    const { exit } = workerFiles(at('home/workers'), 'server');
    expect(JSON.parse(readFileSync(exit, 'utf8'))).toMatchObject({
      code: 75,
      message: expect.stringContaining('its door could not be opened'),
    });
    expect(existsSync(at('no-folder'))).toBe(false);
  });
});

it('is refused where none can be made', async () => {
  await using without = createLocalRunner({
    workersDir: at('other'),
    nodePath: process.execPath,
    isolation: { namespacePrefix: [], endsWithShim: false, notes: [] },
  });
  const limits = { cpuMilli: 1000, memoryBytes: 2 ** 29, pids: 64 };
  const about = { workerId: 'w', attemptId: 'a', jobId: 'j', rank: 0, command: ['true'], cwd: dir, env: {} };
  await expect(without.start({ ...about, limits, logLimitBytes: 1024, network: {} })).rejects.toThrow(
    'network of its own',
  );
});
