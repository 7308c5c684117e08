/**
 * The peer: llama.cpp's own server, built from the very source that node-llama-cpp bundles, for this processor. It takes
 * a compiler and some minutes, so a bench only uses what is there: `node bench/serving/llama-server.ts` builds it once.
 */
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { unpackLlamaSource } from '@gantry/engines/llama-source';
import { stop } from './child-node.ts';
import { freePort } from './free-port.ts';

/** Of node-llama-cpp. */
const version = '3.22.1';
const folder = join(homedir(), '.cache/gantry', `llama-server-of-node-llama-cpp-${version}`);
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

async function build(): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'gantry-llama-server-'));
  const run = (command: string, ...args: string[]): void => {
    const { status } = spawnSync(command, args, { cwd: work, stdio: 'inherit' });
    if (status !== 0) throw new Error(`${command} ended with ${status}`);
  };
  try {
    await unpackLlamaSource(join(work, 'source'));
    const off = ['CURL', 'OPENSSL', 'BUILD_TESTS', 'BUILD_EXAMPLES', 'BUILD_UI', 'USE_PREBUILT_UI'];
    const flags = [
      'CMAKE_BUILD_TYPE=Release',
      'BUILD_SHARED_LIBS=OFF',
      'GGML_NATIVE=ON',
      ...off.map((name) => `LLAMA_${name}=OFF`),
    ];
    run('cmake', '-S', 'source/llama.cpp', '-B', 'build', ...flags.map((flag) => `-D${flag}`));
    run('cmake', '--build', 'build', '--target', 'llama-server', '--parallel', '2');
    mkdirSync(folder, { recursive: true });
    copyFileSync(join(work, 'build/bin/llama-server'), join(folder, 'llama-server'));
  } finally {
    rmSync(work, { recursive: true });
  }
}

if (import.meta.main) await build();
