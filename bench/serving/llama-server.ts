/**
 * The peer: llama.cpp's own server, built from the source that llama-cpp-python carries on PyPI. It takes a compiler
 * and some twenty minutes, so a bench only uses what is there: `node bench/serving/llama-server.ts` builds it once.
 */
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stop } from './child-node.ts';
import { freePort } from './free-port.ts';

/** Of llama-cpp-python; its llama.cpp is of the same weeks as node-llama-cpp's. */
const version = '0.3.36';
const folder = join(homedir(), '.cache/gantry', `llama-server-${version}`);
const binary = process.env['GANTRY_LLAMA_SERVER'] ?? join(folder, 'llama-server');

export interface LlamaServer extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
}

/** Undefined when it is not built here; the line then says so instead of a figure. */
export async function startLlamaServer(
  modelPath: string,
  options: { readonly slots: number; readonly contextTokens: number; readonly threads: number },
): Promise<LlamaServer | undefined> {
  if (!existsSync(binary)) return undefined;
  const port = await freePort();
  const { slots, contextTokens, threads } = options;
  const flags = {
    '--model': modelPath,
    '--port': port,
    '--parallel': slots,
    // Of all slots together.
    '--ctx-size': slots * contextTokens,
    '--threads': threads,
    '--threads-batch': threads,
    '--log-verbosity': 0,
  };
  const child = spawn(binary, Object.entries(flags).flat().map(String), { stdio: 'ignore' });
  for (let tries = 0; tries < 300 && child.exitCode === null; tries++) {
    const isReady = await fetch(`http://127.0.0.1:${port}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return { pid: child.pid ?? 0, port, [Symbol.asyncDispose]: () => stop(child) };
    await sleep(200);
  }
  await stop(child);
  return undefined;
}

function build(): void {
  const work = mkdtempSync(join(tmpdir(), 'gantry-llama-server-'));
  const run = (command: string, ...args: string[]): void => {
    const { status } = spawnSync(command, args, { cwd: work, stdio: 'inherit' });
    if (status !== 0) throw new Error(`${command} ended with ${status}`);
  };
  run('pip', 'download', '--no-deps', '--no-binary', 'llama-cpp-python', `llama-cpp-python==${version}`);
  const archive = readdirSync(work).find((name) => name.endsWith('.tar.gz')) ?? '';
  run('tar', 'xzf', archive);
  const source = join(archive.replace('.tar.gz', ''), 'vendor/llama.cpp');
  const off = ['CURL', 'OPENSSL', 'BUILD_TESTS', 'BUILD_EXAMPLES', 'BUILD_UI', 'USE_PREBUILT_UI'];
  const flags = [
    'CMAKE_BUILD_TYPE=Release',
    'BUILD_SHARED_LIBS=OFF',
    ...off.map((name) => `LLAMA_${name}=OFF`),
  ];
  run('cmake', '-S', source, '-B', 'build', ...flags.map((flag) => `-D${flag}`));
  run('cmake', '--build', 'build', '--target', 'llama-server', '--parallel', '2');
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(work, 'build/bin/llama-server'), join(folder, 'llama-server'));
  rmSync(work, { recursive: true });
}

if (import.meta.main) build();
