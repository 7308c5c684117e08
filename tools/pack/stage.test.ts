import { execFile } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stagePackage } from './stage.ts';

const root = join(import.meta.dirname, '..', '..');
// Below the checkout, so that foreign dependencies are found above it, as npm would have put them beside it.
const stage = join(root, '.gantry', `pack-test-${process.pid}`);
const dataDir = join(stage, 'data');
const run = promisify(execFile);
const gantry = async (...args: string[]): Promise<string> =>
  (await run(process.execPath, [join(stage, 'bin', 'gantry.mjs'), '--data-dir', dataDir, ...args])).stdout;

describe('the package', () => {
  beforeAll(() => stagePackage(root, stage), 120_000);
  afterAll(async () => {
    await gantry('down', '--purge', '--yes').catch(() => undefined);
    rmSync(stage, { recursive: true, force: true });
  });

  it('names every foreign dependency at one exact version and runs no script', () => {
    const manifest = JSON.parse(readFileSync(join(stage, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
      bundleDependencies: string[];
    };
    for (const version of Object.values(manifest.dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+/);
    for (const name of manifest.bundleDependencies) {
      const bundled = JSON.parse(
        readFileSync(join(stage, 'node_modules', name, 'package.json'), 'utf8'),
      ) as object;
      expect(bundled).not.toHaveProperty('scripts');
      expect(bundled).not.toHaveProperty('dependencies');
    }
  });

  it('runs a job from compiled JavaScript alone', async () => {
    await gantry('up', '--detach', '--port', '0');
    await gantry('job', 'run', '--name', 'packed', '--', 'echo', 'hello');
    expect(await gantry('job', 'show', 'packed')).toContain('succeeded');
  });
});
