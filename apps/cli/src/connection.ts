/** Which server, with which key: flags, then the environment, then a named context, then this machine's own server. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { type Client, createClient } from '@gantry/sdk';
import type { Command } from 'commander';
import { CliError } from './cli-error.ts';
import { exitCodes } from './exit-codes.ts';
import { tellOtherVersion } from './other-version.ts';

export interface GlobalOptions {
  readonly url?: string;
  readonly context?: string;
  readonly tenant?: string;
  readonly dataDir?: string;
  readonly json?: boolean;
}

interface Contexts {
  readonly current?: string;
  readonly contexts: Readonly<Record<string, { readonly url: string; readonly key: string }>>;
}

export function defaultDataDir(): string {
  const given = process.env['GANTRY_DATA_DIR'];
  if (given !== undefined) return resolve(given);
  if (process.getuid?.() === 0) return '/var/lib/gantry';
  return join(process.env['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share'), 'gantry');
}

export const quickstartDataDir = (): string => `${defaultDataDir()}-quickstart`;

/** Of `gantry up --memory`: gone when that server is. */
export const memoryDataDir = (): string => `${defaultDataDir()}-memory`;

/** Where a server of this machine is looked for. */
export const ownDataDirs = (): readonly string[] => [defaultDataDir(), quickstartDataDir(), memoryDataDir()];

export const contextFile = (): string =>
  join(process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config'), 'gantry', 'contexts.json');

export function readContexts(): Contexts {
  try {
    return JSON.parse(readFileSync(contextFile(), 'utf8')) as Contexts;
  } catch {
    return { contexts: {} };
  }
}

export function writeContexts(contexts: Contexts): void {
  mkdirSync(dirname(contextFile()), { recursive: true, mode: 0o700 });
  writeFileSync(contextFile(), `${JSON.stringify(contexts, null, 2)}\n`, { mode: 0o600 });
  chmodSync(contextFile(), 0o600);
}

export interface ServerFile {
  readonly pid: number;
  readonly url: string;
}

/** What the server of a data directory says of itself, if it is alive. */
export function readServer(dataDir: string): ServerFile | undefined {
  try {
    const server = JSON.parse(readFileSync(join(dataDir, 'server.json'), 'utf8')) as ServerFile;
    return isAlive(server.pid) ? server : undefined;
  } catch {
    return undefined;
  }
}

/** The key that the first start left for the CLI; undefined where there is none or it is not ours to read. */
export function readOperatorKey(dataDir: string): string | undefined {
  try {
    return readFileSync(join(dataDir, 'keys', 'operator.key'), 'utf8').trim();
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  try {
    // A killed process stays in the table until its parent looks: it is no server any more.
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2, text.lastIndexOf(')') + 3) !== 'Z';
  } catch {
    return process.platform !== 'linux';
  }
}

export interface Connection {
  readonly url: string;
  readonly key: string;
  readonly client: Client;
}

export function connect(command: Command): Connection {
  const options = command.optsWithGlobals<GlobalOptions>();
  const found = locate(options);
  return {
    ...found,
    client: createClient({
      baseUrl: found.url,
      key: found.key,
      ...(options.json === true ? {} : { onVersion: tellOtherVersion(found.url) }),
      ...(options.tenant === undefined ? {} : { tenant: options.tenant }),
    }),
  };
}

function locate(options: GlobalOptions): { url: string; key: string } {
  const contexts = readContexts();
  const name =
    options.context ??
    (options.dataDir === undefined && options.url === undefined
      ? (process.env['GANTRY_CONTEXT'] ?? contexts.current)
      : undefined);
  const url = options.url ?? process.env['GANTRY_URL'];
  const key = process.env['GANTRY_KEY'];
  if (url !== undefined && key !== undefined) return { url, key };
  if (name !== undefined) {
    const context = contexts.contexts[name];
    if (context === undefined)
      throw new CliError('unknown_context', `there is no context "${name}"`, {
        hint: `known: ${Object.keys(contexts.contexts).join(', ') || 'none'}; make one: gantry login URL --name ${name}`,
      });
    return { url: url ?? context.url, key: key ?? context.key };
  }
  // Without a word from the user: the server of this machine, the one that the quickstart left running, or one in memory.
  const dirs = options.dataDir === undefined ? ownDataDirs() : [resolve(options.dataDir)];
  for (const dir of dirs) {
    const server = readServer(dir);
    const ownKey = readOperatorKey(dir);
    if (server !== undefined && ownKey !== undefined) return { url: url ?? server.url, key: key ?? ownKey };
  }
  throw new CliError('no_server', 'no gantry is running on this machine', {
    hint: 'start one: gantry up --detach; or use another: gantry login URL',
    exitCode: exitCodes.unreachable,
  });
}
