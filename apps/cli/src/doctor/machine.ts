/** What is looked at before anything is judged: everything that `checks.ts` needs to know, as data. */
import { spawn } from 'node:child_process';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { availableParallelism, totalmem, userInfo } from 'node:os';
import { dirname, resolve } from 'node:path';
import { type ServerFile, readServer } from '../connection.ts';
import { isPortFree, serverEntry } from '../server-process.ts';

export interface Machine {
  readonly node: string;
  /** A checkout runs TypeScript as it is; the packed program runs on older Nodes too. */
  readonly runsSource: boolean;
  readonly platform: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly user: string;
  readonly openFiles: number | undefined;
  readonly dataDir: string;
  readonly isWritable: boolean;
  readonly server: ServerFile | undefined;
  /** What the server itself says; undefined where none runs or it does not answer. */
  readonly status: { readonly database: string; readonly version: string } | undefined;
  readonly port: number;
  readonly isPortFree: boolean;
  /** Undefined when the server program could not be asked; then `probeError` says why. */
  readonly probe: Probe | undefined;
  readonly probeError: string | undefined;
  readonly python: Python | undefined;
  readonly programs: Readonly<Record<string, boolean>>;
}

/** The answer of the server program to `--probe` (apps/server/src/probe.ts). */
export interface Probe {
  readonly isolation: {
    readonly limits: 'cgroup-v2' | 'cgroup-v1' | 'watchdog';
    readonly pidNamespace: boolean;
    readonly mounts: boolean;
    readonly ownNetwork: boolean;
    readonly notes: readonly string[];
  };
  readonly devices: readonly { readonly model: string; readonly healthy: boolean }[];
  readonly facts: Readonly<Record<string, unknown>>;
  readonly disk: { readonly path: string; readonly freeBytes: number };
  readonly hasPostgres: boolean;
}

export interface Python {
  readonly version: string;
  readonly path: string;
  readonly torch?: string | null;
}

export async function lookAtMachine(
  dataDir: string,
  port: number,
  askStatus: (server: ServerFile) => Promise<Machine['status']>,
): Promise<Machine> {
  const server = readServer(dataDir);
  const [probed, python, tar, git, isFree, status] = await Promise.all([
    output(process.execPath, [serverEntry(), '--probe', dataDir]),
    output('python3', ['-c', pythonFacts]),
    output('tar', ['--version']),
    output('git', ['--version']),
    isPortFree(port),
    server === undefined ? undefined : askStatus(server),
  ]);
  return {
    node: process.version,
    runsSource: import.meta.filename.endsWith('.ts'),
    platform: `${process.platform}-${process.arch}`,
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    user: userInfo().username,
    openFiles: openFilesLimit(),
    dataDir,
    isWritable: isWritable(dataDir),
    server,
    status,
    port,
    isPortFree: isFree,
    probe: json<Probe>(probed.text),
    probeError: probed.text === undefined ? probed.error : undefined,
    python: json<Python>(python.text),
    programs: { tar: tar.text !== undefined, git: git.text !== undefined },
  };
}

/** Whether torch is there is read from its metadata: importing it takes seconds. */
const pythonFacts = `
import importlib.metadata, json, platform, sys
try:
    torch = importlib.metadata.version("torch")
except importlib.metadata.PackageNotFoundError:
    torch = None
print(json.dumps({"version": platform.python_version(), "path": sys.executable, "torch": torch}))`;

const programTimeoutMs = 20_000;

function output(
  program: string,
  args: readonly string[],
): Promise<{ readonly text?: string; readonly error?: string }> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: programTimeoutMs,
    });
    let [text, error] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (error += chunk.toString()));
    child.on('error', (reason) => resolve({ error: reason.message }));
    child.on('close', (code) =>
      resolve(code === 0 ? { text } : { error: error.trim().split('\n').at(-1) ?? `ended with ${code}` }),
    );
  });
}

function json<T>(text: string | undefined): T | undefined {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}

/** Of the folder, or of the nearest one above it that exists. */
function isWritable(path: string): boolean {
  for (let at = resolve(path); ; at = dirname(at)) {
    if (statSync(at, { throwIfNoEntry: false })?.isDirectory() !== true && at !== dirname(at)) continue;
    try {
      accessSync(at, constants.W_OK | constants.X_OK);
      return true;
    } catch {
      return false;
    }
  }
}

function openFilesLimit(): number | undefined {
  try {
    const found = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
    return found === null ? undefined : Number(found[1]);
  } catch {
    return undefined;
  }
}
