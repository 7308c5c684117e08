import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildFor, deviceOf, isInstalled, packageFolder, partsFor } from './gpu-builds.ts';
import { installBuilds } from './install-builds.ts';
import type { RunTool } from './run-tool.ts';

const linux = { platform: 'linux', arch: 'x64' };
const parts = partsFor('cuda', linux);
let folder: string;
let commands: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-builds-'));
  commands = [];
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** An npm that makes the folder of what it is asked for, and fails at what `failing` names. */
const npm =
  (failing?: string): RunTool =>
  async (_command, args) => {
    const last = args.at(-1) as string;
    commands.push(last);
    if (failing !== undefined && last.includes(failing))
      return { code: 1, complaint: 'npm error getaddrinfo ENOTFOUND registry' };
    const part = parts.find((one) => one.package === last);
    if (part !== undefined) await mkdir(packageFolder(folder, part), { recursive: true });
    return { code: 0, complaint: '' };
  };

describe('installBuilds', () => {
  it('fetches both engines in the versions of this installation, each once', async () => {
    expect(parts.map(({ engine }) => engine)).toEqual(['llama.cpp', 'llama.cpp', 'onnx runtime']);
    const first = await installBuilds(folder, parts, { isDryRun: false, run: npm() });
    expect(first.map(({ state }) => state)).toEqual(['fetched', 'fetched', 'fetched']);
    expect(commands).toEqual([
      expect.stringMatching(/^@node-llama-cpp\/linux-x64-cuda@\d/),
      expect.stringMatching(/^@node-llama-cpp\/linux-x64-cuda-ext@\d/),
      expect.stringMatching(/^onnxruntime-node@\d/),
      '--onnxruntime-node-install=cuda12',
    ]);
    const again = await installBuilds(folder, parts, { isDryRun: false, run: npm() });
    expect(again.map(({ state }) => state)).toEqual(['present', 'present', 'present']);
    expect(commands).toHaveLength(4);
  });

  it('goes on after the part that was cut short, and says how to reach a registry', async () => {
    await expect(
      installBuilds(folder, parts, { isDryRun: false, run: npm('cuda-ext') }),
    ).rejects.toMatchObject({
      message: expect.stringContaining('was not installed: npm error getaddrinfo') as string,
      hint: expect.stringContaining('online') as string,
    });
    expect(parts.map((part) => isInstalled(folder, part))).toEqual([true, false, false]);
    const steps = await installBuilds(folder, parts, { isDryRun: false, run: npm() });
    expect(steps.map(({ state }) => state)).toEqual(['present', 'fetched', 'fetched']);
  });

  it('fetches again what is of another version, and nothing in a dry run', async () => {
    await installBuilds(folder, parts, { isDryRun: false, run: npm() });
    const newer = parts.map((part) => ({ ...part, package: `${part.package}1` }));
    const steps = await installBuilds(folder, newer, { isDryRun: true, run: npm() });
    expect(steps.map(({ state }) => state)).toEqual(['to fetch', 'to fetch', 'to fetch']);
    expect(commands).toHaveLength(4);
    expect((await stat(folder)).isDirectory()).toBe(true);
  });

  it('says who may write where nothing can be written', async () => {
    const file = join(folder, 'a-file');
    await writeFile(file, '');
    await expect(installBuilds(file, parts, { isDryRun: false, run: npm() })).rejects.toMatchObject({
      hint: 'Run it as the user who installed Gantry.',
    });
  });
});

describe('the device of a replica', () => {
  it('is what its environment shows it', () => {
    expect(deviceOf({})).toBeUndefined();
    expect(deviceOf({ CUDA_VISIBLE_DEVICES: '' })).toBeUndefined();
    expect(deviceOf({ CUDA_VISIBLE_DEVICES: '-1' })).toBeUndefined();
    expect(deviceOf({ CUDA_VISIBLE_DEVICES: '3' })).toBe('cuda');
  });

  it('has builds on systems that are built for only, and a missing one is told', () => {
    expect(partsFor('cuda', { platform: 'darwin', arch: 'arm64' })).toEqual([]);
    expect(partsFor('vulkan', linux)).toHaveLength(1);
    const lines: string[] = [];
    expect(
      buildFor(
        'cuda',
        () => undefined,
        (line) => lines.push(line),
      ),
    ).toBeUndefined();
    expect(lines.join()).toContain('gantry engine install cuda');
    expect(buildFor(undefined, () => 'build', undefined)).toBeUndefined();
  });
});
