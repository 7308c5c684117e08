import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { compileNative } from './compile-native.ts';
import { nativeBuild, processorOf, readStamp, stampPath } from './native-build.ts';
import type { RunTool } from './run-tool.ts';

let root: string;
let folder: string;
let commands: string[];
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gantry-native-'));
  folder = join(root, 'native');
  commands = [];
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** A machine whose cmake writes what a real one would, without what `lacking` names and failing where `failing` does. */
function machine({ lacking = [], failing }: { lacking?: string[]; failing?: string } = {}): RunTool {
  return async (command, args, { onLine }) => {
    if (lacking.includes(command)) return { code: null, complaint: `spawn ${command} ENOENT` };
    if (args[0] === '--version') {
      onLine?.(`${command} 12.2.0`);
      return { code: 0, complaint: '' };
    }
    const said = [basename(command), ...args].join(' ');
    commands.push(said);
    if (failing !== undefined && said.includes(failing))
      return { code: 2, complaint: 'error: no member named x' };
    if (args[0] === '--build') {
      const built = args[1] as string;
      await mkdir(join(built, 'bin'), { recursive: true });
      await writeFile(join(built, 'llama-addon.node'), 'addon');
      await writeFile(join(built, 'bin', 'libllama.so'), 'library');
      for (const percent of [4, 4, 60, 100])
        onLine?.(`[${String(percent).padStart(3)}%] Building CXX object`);
    }
    return { code: 0, complaint: '' };
  };
}

describe('compileNative', () => {
  it('unpacks, configures, compiles and tries what the package carries, then is there', async () => {
    const told: string[] = [];
    const state = await compileNative(folder, {
      isDryRun: false,
      run: machine(),
      onProgress: (line) => told.push(line),
    });
    expect(state).toBe('compiled');
    expect(commands.map((each) => each.split(' ').slice(0, 2).join(' '))).toEqual([
      'git clone',
      'git apply',
      'cmake -G',
      'cmake --build',
      'node -e',
    ]);
    expect(commands[2]).toContain('-DGGML_NATIVE=ON');
    expect(told).toEqual([
      'unpacking the source',
      'configuring',
      'compiling 4 %',
      'compiling 60 %',
      'compiling 100 %',
      'trying the build',
    ]);
    expect(await readdir(root)).toEqual(['native']);
    expect(nativeBuild(folder)).toBe(folder);
    expect(readStamp(folder)).toMatchObject({
      package: expect.stringMatching(/^node-llama-cpp@\d/) as string,
      release: expect.stringMatching(/^v\d/) as string,
      compiler: 'c++ 12.2.0',
      files: { 'llama-addon.node': expect.stringMatching(/^[0-9a-f]{64}$/) as string },
    });
    expect(await compileNative(folder, { isDryRun: false, run: machine() })).toBe('present');
    expect(commands).toHaveLength(5);
  });

  it('is no build for another version of the package or another processor, and is made again', async () => {
    await compileNative(folder, { isDryRun: false, run: machine() });
    const stamp = JSON.parse(await readFile(stampPath(folder), 'utf8')) as object;
    for (const other of [{ package: 'node-llama-cpp@0.0.1' }, { processor: 'another' }]) {
      await writeFile(stampPath(folder), JSON.stringify({ ...stamp, ...other }));
      expect(nativeBuild(folder)).toBeUndefined();
      expect(await compileNative(folder, { isDryRun: true, run: machine() })).toBe('to compile');
    }
    expect(await compileNative(folder, { isDryRun: false, run: machine() })).toBe('compiled');
    expect(nativeBuild(folder)).toBe(folder);
  });

  it('names every tool that the machine lacks, before it does anything', async () => {
    const run = machine({ lacking: ['cmake', 'c++'] });
    for (const isDryRun of [true, false])
      await expect(compileNative(folder, { isDryRun, run })).rejects.toMatchObject({
        message: 'This machine lacks cmake (configures the build), c++ (compiles).',
        hint: 'On Debian or Ubuntu: apt-get install cmake g++.',
      });
    expect(commands).toEqual([]);
  });

  it.each([
    ['--build', 'llama.cpp could not be compiled: error: no member named x'],
    ['clone', 'The source could not be unpacked: error: no member named x'],
    ['node -e', 'The build does not open: error: no member named x'],
  ])('leaves nothing that would be used when %s fails', async (failing, message) => {
    await expect(compileNative(folder, { isDryRun: false, run: machine({ failing }) })).rejects.toMatchObject(
      { message },
    );
    expect(nativeBuild(folder)).toBeUndefined();
    expect(await readdir(root)).toEqual([]);
  });
});

it('processors are the same that can do the same, however fast they run now', () => {
  const cpu = (flags: string, mhz: string): string =>
    `processor\t: 0\nmodel name\t: A\ncpu MHz\t\t: ${mhz}\nflags\t\t: ${flags}\n\nprocessor\t: 1\n`;
  expect(processorOf(cpu('fpu avx2', '2100'))).toBe(processorOf(cpu('fpu avx2', '3300')));
  expect(processorOf(cpu('fpu avx2', '2100'))).not.toBe(processorOf(cpu('fpu avx2 avx512f', '2100')));
});
