/** The real server on a database in memory, its people, and a plain HTTP client that shows every header. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Role } from '@gantry/contract';
import { type Client, createClient } from '@gantry/sdk';
import { readOutside } from '@gantry/store';
import { pino } from 'pino';
import { processesOf } from '../e2e/testing/processes.ts';
import { until } from '../e2e/testing/until.ts';
import { readOptions } from '../options.ts';
import { type GivenParts, type Server, serve } from '../serve.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The JSON of the body, or undefined. */
  // oxlint-disable-next-line no-explicit-any -- tests look into answers of every shape
  readonly body: any;
}

export interface MemoryServer extends AsyncDisposable {
  readonly server: Server;
  readonly operatorKey: string;
  readonly operator: Client;
  ask(method: string, path: string, options?: AskOptions): Promise<Answer>;
  /** A new user of a tenant with a key. */
  keyOf(tenant: string, name: string, role: Role, scopes?: readonly KeyScope[]): Promise<string>;
  /** Deletes every endpoint, and waits for the last of their replicas. */
  deleteEndpoints(): Promise<void>;
}

type KeyScope = 'read' | 'write' | 'infer' | 'admin';

export interface AskOptions {
  readonly key?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export async function startMemoryServer(
  args: readonly string[] = ['--memory'],
  env: NodeJS.ProcessEnv = {},
  given: GivenParts = {},
): Promise<MemoryServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'gantry-http-'));
  const wrongs: string[] = [];
  const errorLog = {
    write: (line: string) => {
      if (/the contract does not name|a request failed inside/.test(line)) wrongs.push(line);
    },
  };
  const server = await serve(
    readOptions(['--data-dir', dataDir, '--port', '0', ...args], env, process.getuid?.()),
    pino({ level: 'error' }, errorLog),
    given,
  );
  const operatorKey = (await readFile(join(dataDir, 'keys', 'operator.key'), 'utf8')).trim();
  const operator = createClient({ baseUrl: server.url, key: operatorKey });
  return {
    server,
    operatorKey,
    operator,
    ask: async (method, path, { key, body, headers, signal } = {}) => {
      const response = await fetch(`${server.url}${path}`, {
        method,
        headers: {
          ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: bodyOf(body) }),
        ...(signal === undefined ? {} : { signal }),
      });
      const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
      if (isStream) await response.body?.cancel();
      const text = isStream ? '' : await response.text();
      return { status: response.status, headers: response.headers, text, body: jsonOf(text) };
    },
    keyOf: async (tenant, name, role, scopes) => {
      const inTenant = createClient({ baseUrl: server.url, key: operatorKey, tenant });
      await inTenant.call('users.create', { body: { name, role } });
      const all: KeyScope[] = ['read', 'write', 'infer', 'admin'];
      return (
        await inTenant.call('keys.create', { body: { user: name, scopes: scopes ? [...scopes] : all } })
      ).secret;
    },
    deleteEndpoints: async () => {
      for (const { name } of (await operator.call('endpoints.list', {})).items)
        await operator.call('endpoints.delete', { params: { name } });
      const { runner } = server.platform.deps;
      await until('no replica runs', async () =>
        (await runner.list()).every(({ state }) => state !== 'running'),
      );
    },
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      // Workers outlive a server; none outlives its test, however that ended.
      for (const { pid } of processesOf(dataDir)) killIfThere(pid);
      await until('nothing is left of it', () => processesOf(dataDir).length === 0);
      for (const path of [...readOutside(dataDir), dataDir])
        await rm(path, { recursive: true, force: true, maxRetries: 5 });
      // Whatever the test looked at: the server broke no promise of its own meanwhile.
      if (wrongs.length > 0) throw new Error(wrongs.join(''));
    },
  };
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

const bodyOf = (body: unknown): string | Uint8Array<ArrayBuffer> =>
  typeof body === 'string' || body instanceof Uint8Array
    ? (body as string | Uint8Array<ArrayBuffer>)
    : JSON.stringify(body);

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
