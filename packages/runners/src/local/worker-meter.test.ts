import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { workerFiles, writeJson } from './worker-files.ts';
import { createWorkerMeter } from './worker-meter.ts';

test.skipIf(process.platform !== 'linux')(
  'memory and busy cores of a worker are those of all its processes',
  async () => {
    const dir = mkdtempSync(join(tmpdir(), 'gantry-meter-'));
    const grandchild =
      'const held = Buffer.alloc(100e6, 1); console.log("up"); for (;;) held[0] = (held[0] + 1) % 256;';
    const child = spawn('/bin/sh', ['-c', `"${process.execPath}" -e '${grandchild}' & wait`], {
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    try {
      await once(child.stdout, 'data');
      const files = workerFiles(dir, 'w1');
      mkdirSync(files.dir);
      writeJson(files.shim, { shimPid: 1, shimStart: '', childPid: child.pid, childStart: '' });
      const meter = createWorkerMeter(dir);
      const use = (): { residentBytes: number; busyCores: number } | undefined =>
        meter.read(['w1', 'w2']).get('w1');
      expect(use()?.residentBytes).toBeGreaterThan(100e6);
      expect(use()?.residentBytes).toBeLessThan(400e6);
      await expect.poll(() => use()?.busyCores, { timeout: 60_000, interval: 700 }).toBeGreaterThan(0.05);
      expect(use()?.busyCores).toBeLessThan(2);
      expect(meter.read(['w2']).size).toBe(0);
    } finally {
      process.kill(-(child.pid ?? 0), 'SIGKILL');
      rmSync(dir, { recursive: true, force: true });
    }
  },
);
