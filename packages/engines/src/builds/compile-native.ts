/**
 * Compiles llama.cpp and node-llama-cpp's addon for this machine. Nothing is fetched: the package carries llama.cpp's
 * source as a git bundle and its own beside it. The build is made in a folder apart, tried, stamped and moved into its
 * place whole; one that was cut short leaves nothing that would be used.
 */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { packageRoot } from './installation.ts';
import { InstallError } from './install-error.ts';
import { must, unpackLlamaSource } from './llama-source.ts';
import { nativeBuild, stampPath, wantedStamp, type NativeStamp } from './native-build.ts';
import { runTool, type RunTool } from './run-tool.ts';

export type NativeState = 'present' | 'to compile' | 'compiled';

export interface CompileOptions {
  readonly isDryRun: boolean;
  readonly run?: RunTool;
  /** What it does now, in words. */
  readonly onProgress?: (line: string) => void;
}

/** What each tool is for, and the package that brings it where the system is Debian's. */
const tools = [
  { name: 'git', use: 'unpacks the source', debian: 'git' },
  { name: 'cmake', use: 'configures the build', debian: 'cmake' },
  { name: 'c++', use: 'compiles', debian: 'g++' },
  { name: 'make', use: 'runs the compiler', debian: 'make' },
] as const;

const switches = {
  CMAKE_BUILD_TYPE: 'Release',
  GGML_NATIVE: 'ON',
  GGML_METAL: 'OFF',
  GGML_CCACHE: 'OFF',
  GGML_BUILD_NUMBER: '1',
  LLAMA_CURL: 'OFF',
  LLAMA_OPENSSL: 'OFF',
  LLAMA_BUILD_TOOLS: 'OFF',
  LLAMA_BUILD_TESTS: 'OFF',
  LLAMA_BUILD_EXAMPLES: 'OFF',
  LLAMA_BUILD_SERVER: 'OFF',
  NLC_VARIANT: 'gantry',
} as const;

export async function compileNative(folder: string, options: CompileOptions): Promise<NativeState> {
  const { isDryRun, run = runTool, onProgress } = options;
  if (nativeBuild(folder) !== undefined) return 'present';
  const compiler = await findTools(run);
  if (isDryRun) return 'to compile';
  const work = await mkdir(dirname(folder), { recursive: true })
    .then(() => mkdtemp(`${folder}-`))
    .catch((cause: unknown) => {
      throw new InstallError(
        `Nothing can be written to ${dirname(folder)}: ${cause instanceof Error ? cause.message : String(cause)}.`,
        'Run it as the user who installed Gantry.',
      );
    });
  try {
    const source = join(work, 'source');
    onProgress?.('unpacking the source');
    const release = await unpackLlamaSource(source, run);
    await build(source, join(work, 'build'), run, onProgress);
    const whole = join(work, 'whole');
    const files = await collect(join(work, 'build'), whole);
    onProgress?.('trying the build');
    await tryOut(whole, run);
    const stamp: NativeStamp = { ...wantedStamp(), release, compiler, files };
    await writeFile(stampPath(whole), `${JSON.stringify(stamp, undefined, 2)}\n`);
    await rm(folder, { recursive: true, force: true });
    await rename(whole, folder);
    return 'compiled';
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The compiler's name and version. */
async function findTools(run: RunTool): Promise<string> {
  const missing: (typeof tools)[number][] = [];
  let compiler = '';
  for (const tool of tools) {
    let said = '';
    const { code } = await run(tool.name, ['--version'], {
      cwd: '/',
      onLine: (line) => (said ||= line),
    });
    if (code !== 0) missing.push(tool);
    else if (tool.name === 'c++') compiler = said;
  }
  if (missing.length === 0) return compiler;
  const named = missing.map(({ name, use }) => `${name} (${use})`).join(', ');
  throw new InstallError(
    `This machine lacks ${named}.`,
    `On Debian or Ubuntu: apt-get install ${missing.map(({ debian }) => debian).join(' ')}.`,
  );
}

async function build(
  source: string,
  into: string,
  run: RunTool,
  onProgress: CompileOptions['onProgress'],
): Promise<void> {
  const platform = `linux-${process.arch}`;
  const flags = {
    ...switches,
    CMAKE_JS_INC: join(packageRoot('node-api-headers', 'cmake-js'), 'include'),
    NLC_CURRENT_PLATFORM: platform,
    NLC_TARGET_PLATFORM: platform,
  };
  // The package's CMake file asks Node where the addon's headers are.
  const env = {
    NODE_PATH: dirname(packageRoot('node-addon-api')),
    PATH: [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter),
  };
  onProgress?.('configuring');
  const defines = Object.entries(flags).map(([name, value]) => `-D${name}=${value}`);
  await must(
    'The build could not be configured',
    run('cmake', ['-G', 'Unix Makefiles', '-S', source, '-B', into, ...defines], { cwd: source, env }),
  );
  let told = '';
  const target = ['--build', into, '--target', 'llama-addon', '--parallel', String(availableParallelism())];
  await must(
    'llama.cpp could not be compiled',
    run('cmake', target, {
      cwd: source,
      env,
      onLine: (line) => {
        const percent = /^\[\s*(\d+)%\]/.exec(line)?.[1];
        if (percent === undefined || percent === told) return;
        told = percent;
        onProgress?.(`compiling ${percent} %`);
      },
    }),
  );
}

/** The addon and the libraries that it looks for beside itself; the digest of each. */
async function collect(built: string, whole: string): Promise<Record<string, string>> {
  await mkdir(whole);
  const libraries = (await readdir(join(built, 'bin'))).filter((name) => name.endsWith('.so'));
  const paths = [join(built, 'llama-addon.node'), ...libraries.map((name) => join(built, 'bin', name))];
  const files: Record<string, string> = {};
  for (const path of paths) {
    const bytes = await readFile(path);
    const name = path.slice(dirname(path).length + 1);
    await writeFile(join(whole, name), bytes);
    files[name] = createHash('sha256').update(bytes).digest('hex');
  }
  return files;
}

/** In a process of its own: a binary that takes its caller down must not take this one. */
async function tryOut(whole: string, run: RunTool): Promise<void> {
  const program = `const addon = require(${JSON.stringify(join(whole, 'llama-addon.node'))}); if (typeof addon.AddonContext !== 'function') process.exit(1);`;
  await must('The build does not open', run(process.execPath, ['-e', program], { cwd: whole }));
}
