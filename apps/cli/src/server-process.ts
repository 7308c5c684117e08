/** Starts and stops the server program; `gantry up`, `down` and the quickstart share it. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { CliError } from './cli-error.ts';
import { ownDataDirs, readServer } from './connection.ts';
import { exitCodes } from './exit-codes.ts';
import { makeFolders } from './make-folders.ts';

export const serverEntry = (): string =>
  process.env['GANTRY_SERVER_ENTRY'] ??
  join(import.meta.dirname, '..', '..', 'server', 'src', `main${extname(import.meta.filename)}`);

/** What a server says when it is ready. */
export interface ReadyServer {
  readonly url: string;
  readonly pid: number;
  /** `host:port` where it speaks gRPC, if it does. */
  readonly grpc?: string;
}

export const describeAddresses = ({ url, grpc }: ReadyServer): string =>
  grpc === undefined ? url : `${url} · grpc ${grpc}`;

export interface StartOptions {
  readonly dataDir: string;
  readonly args: readonly string[];
}

/** In the foreground: ends when the server ends. What it logs goes to stderr; what kept it from starting is told as ever. */
export async function runServer({ dataDir, args }: StartOptions): Promise<number> {
  const child = spawn(process.execPath, [serverEntry(), '--data-dir', dataDir, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.on('data', (chunk: Buffer) => {
    const ready = parseReady(chunk.toString());
    if (ready !== undefined)
      process.stdout.write(
        `  ✓ platform up   ${describeAddresses(ready)}   data ${dataDir}\n  stop it with Ctrl-C\n`,
      );
  });
  let problem: CliError | undefined;
  createInterface({ input: child.stderr }).on('line', (line) => {
    const found = parseProblem(line);
    if (found === undefined) process.stderr.write(`${line}\n`);
    else problem = found;
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill('SIGTERM'));
  const code = await new Promise<number>((resolve) => child.on('close', (ended) => resolve(ended ?? 1)));
  if (code !== 0 && problem !== undefined) throw await withPortFacts(problem, args);
  return code;
}

/** In the background: resolves when it answers, rejects with its own words when it does not start. */
export function startServer({ dataDir, args }: StartOptions): Promise<ReadyServer> {
  try {
    makeFolders(dataDir);
    makeFolders(join(dataDir, 'logs'), 0o700);
  } catch (error) {
    throw new CliError(
      'data_dir_not_writable',
      `${dataDir} cannot be written: ${(error as NodeJS.ErrnoException).code ?? ''}`,
      { hint: 'choose another with --data-dir DIR', exitCode: exitCodes.refused },
    );
  }
  const logFile = join(dataDir, 'logs', 'server.log');
  const log = openSync(logFile, 'a', 0o600);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [serverEntry(), '--data-dir', dataDir, ...args], {
      detached: true,
      stdio: ['ignore', 'pipe', log],
    });
    closeSync(log);
    child.stdout?.on('data', (chunk: Buffer) => {
      const ready = parseReady(chunk.toString());
      if (ready === undefined) return;
      child.unref();
      child.stdout?.destroy();
      resolve(ready);
    });
    child.on('exit', (code) => {
      const error = startError(readFileSync(logFile, 'utf8').slice(-8_000), code, logFile);
      void withPortFacts(error, args).then(reject, reject);
    });
  });
}

function parseReady(text: string): ReadyServer | undefined {
  for (const line of text.split('\n')) {
    if (!line.startsWith('{"ready"')) continue;
    return JSON.parse(line) as ReadyServer;
  }
  return undefined;
}

/** The last line of a server that cannot go on. */
function parseProblem(line: string): CliError | undefined {
  if (!line.startsWith('{"error":{')) return undefined;
  const { error } = JSON.parse(line) as { error: { code: string; message: string; hint?: string } };
  return new CliError(error.code, error.message, {
    exitCode: error.code === 'internal' ? exitCodes.internal : exitCodes.refused,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}

function startError(words: string, code: number | null, logFile: string): CliError {
  for (const line of words.split('\n').reverse()) {
    const problem = parseProblem(line);
    if (problem !== undefined) return problem;
  }
  const lines = words.trim().split('\n');
  const telling = lines.findLast((line) => /^\S*Error\b|error:/i.test(line)) ?? lines.at(-1) ?? '';
  return new CliError('internal', `the server ended with ${code} before it was ready: ${telling}`, {
    exitCode: exitCodes.internal,
    hint: `its log: ${logFile}`,
  });
}

/** Whose the taken port is, and which one is free: the server itself can tell neither. */
async function withPortFacts(error: CliError, args: readonly string[]): Promise<CliError> {
  if (error.code !== 'port_in_use') return error;
  const port = Number(args[args.indexOf('--port') + 1]);
  const owner = ownDataDirs()
    .map((dir) => ({ dir, server: readServer(dir) }))
    .find(({ server }) => server !== undefined && new URL(server.url).port === String(port));
  const free = await freePort(port + 1);
  return new CliError(
    'port_in_use',
    owner === undefined
      ? `port ${port} is taken by another program`
      : `port ${port} is taken by another gantry (pid ${owner.server?.pid}, data ${owner.dir})`,
    {
      exitCode: exitCodes.refused,
      hint:
        owner === undefined
          ? `use another: gantry up --port ${free}`
          : `use it: gantry --data-dir ${owner.dir} status; or another: gantry up --port ${free}`,
    },
  );
}

/** The first free one from there on; 0, which is any, where none of the next is. */
export async function freePort(wanted: number): Promise<number> {
  for (let port = wanted; port < wanted + 50; port += 1) if (await isPortFree(port)) return port;
  return 0;
}

/** Whether one ran there. It is stopped only once it has left: what follows may remove its files. */
export async function stopServer(dataDir: string, limitMs = 60_000): Promise<boolean> {
  const server = readServer(dataDir);
  if (server === undefined) return false;
  askToStop(server.pid, dataDir);
  const giveUpAtMs = performance.now() + limitMs;
  while (readServer(dataDir)?.pid === server.pid) {
    if (performance.now() > giveUpAtMs)
      throw new CliError(
        'data_dir_held',
        `the server of ${dataDir} (pid ${server.pid}) was asked to stop and still runs after ${limitMs / 1000} s`,
        {
          hint: `wait and run gantry down again; kill -9 ${server.pid} ends it at once, and nothing acknowledged is lost`,
          exitCode: exitCodes.timeout,
        },
      );
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return true;
}

function askToStop(pid: number, dataDir: string): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH') return; // it was faster
    if (code !== 'EPERM') throw error;
    throw new CliError('forbidden', `the server of ${dataDir} (pid ${pid}) is another user's`, {
      hint: 'ask whoever started it, or use sudo',
      exitCode: exitCodes.denied,
    });
  }
}

export function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.on('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
