/** The peer: Portkey's gateway from npm, in a folder of its own outside the project. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { stop } from './child-node.ts';
import { freePort } from './free-port.ts';

const version = '1.15.2';

export interface Portkey extends AsyncDisposable {
  readonly pid: number;
  readonly port: number;
  readonly version: string;
}

/** `undefined` when it cannot be installed or does not start; the line then says so instead of a figure. */
export async function startPortkey(): Promise<Portkey | undefined> {
  const folder = process.env['GANTRY_PORTKEY_DIR'] ?? join(tmpdir(), `gantry-bench-portkey-${version}`);
  const entry = join(folder, 'node_modules/@portkey-ai/gateway/build/start-server.js');
  if (!existsSync(entry)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{"private":true}');
    const done = spawnSync(
      'npm',
      ['install', '--no-audit', '--no-fund', '--ignore-scripts', `@portkey-ai/gateway@${version}`],
      { cwd: folder, stdio: 'ignore' },
    );
    if (done.status !== 0 || !existsSync(entry)) return undefined;
  }
  const port = await freePort();
  const child = spawn(process.execPath, [entry, `--port=${port}`, '--headless'], {
    cwd: folder,
    stdio: 'ignore',
  });
  for (let tries = 0; tries < 100; tries++) {
    if (child.exitCode !== null) return undefined;
    const isUp = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    );
    if (isUp) return { pid: child.pid ?? 0, port, version, [Symbol.asyncDispose]: () => stop(child) };
    await sleep(100);
  }
  await stop(child);
  return undefined;
}
