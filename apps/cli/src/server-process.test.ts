import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stopServer } from './server-process.ts';

let dataDir: string;
let child: ChildProcess | undefined;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'gantry-stop-'));
});
afterEach(() => {
  child?.kill('SIGKILL');
  rmSync(dataDir, { recursive: true, force: true });
});

/** A process that is taken for the server of the folder. */
async function serverThat(script: string): Promise<number> {
  child = spawn(process.execPath, ['-e', `${script}; setInterval(() => {}, 1000); console.log('up')`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout!, 'data');
  writeFileSync(join(dataDir, 'server.json'), JSON.stringify({ pid: child.pid, url: 'http://127.0.0.1:1' }));
  return child.pid ?? 0;
}

describe('a server that is stopped', () => {
  it('has left when this is told', async () => {
    await serverThat('');
    expect(await stopServer(dataDir)).toBe(true);
    expect(await stopServer(dataDir)).toBe(false);
  });

  it('and goes on is no stopped one: nobody may remove its files', async () => {
    const pid = await serverThat("process.on('SIGTERM', () => {})");
    await expect(stopServer(dataDir, 200)).rejects.toMatchObject({
      code: 'data_dir_held',
      message: expect.stringMatching(/still runs after 0\.2 s/),
      hint: expect.stringContaining(`kill -9 ${pid}`),
    });
  });
});
