/**
 * Lays out what the tarball holds: compiled JavaScript in the folders of the checkout (so that every path that
 * code finds beside itself stays true), our packages as bundled dependencies, the launcher, docs and examples.
 * Two foreign packages are bundled without their install scripts and without binaries of other systems,
 * because a global install runs scripts and ignores `overrides` (decision 0004).
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

interface Needs {
  readonly dependencies: Record<string, string>;
  readonly optionalDependencies: Record<string, string>;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly license?: string;
  readonly dependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
  readonly exports?: Record<string, string>;
}

const texts = ['README.md', 'LICENSE', 'openapi.json', 'docs', 'examples', 'schemas'];
const isForeignBinary = /[/\\]bin[/\\]napi-v\d+[/\\]win32/;
/** Foreign packages that travel inside the tarball, and which of their optional packages stay. */
const bundledForeign: Readonly<Record<string, RegExp>> = {
  'onnxruntime-node': /^$/,
  'node-llama-cpp': /\/(linux-x64|linux-arm64|mac-arm64-metal|mac-x64)$/,
};
/** Only their install scripts use these. */
const scriptOnly = new Set(['adm-zip', 'global-agent']);

const readManifest = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
const writeManifest = (folder: string, manifest: object): void =>
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);

/** Fills `stage` (made anew) from the checkout at `root`. Throws with the compiler's words when it does not compile. */
export function stagePackage(root: string, stage: string): void {
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  compile(root, stage);
  copyAssets(root, stage);
  const ours = moveOurPackages(root, stage);
  const foreign = Object.keys(bundledForeign);
  const needs = foreign.map((name) => bundleForeign(root, stage, name));
  copyTexts(root, stage);
  mkdirSync(join(stage, 'bin'));
  cpSync(join(root, 'tools', 'pack', 'gantry.mjs'), join(stage, 'bin', 'gantry.mjs'));
  chmodSync(join(stage, 'bin', 'gantry.mjs'), 0o755);
  writeManifest(stage, topManifest(root, [...ours, ...foreign], needs));
}

function compile(root: string, stage: string): void {
  const compiler = join(root, 'node_modules', '.bin', 'tsc');
  const args = ['-p', join(root, 'tools', 'pack', 'tsconfig.json'), '--outDir', stage];
  const result = spawnSync(compiler, args, { cwd: root, encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`tsc failed: ${result.stdout}${result.stderr}`);
}

function copyAssets(root: string, stage: string): void {
  for (const file of globSync('{packages,apps}/*/src/**/*.{html,css,svg,proto,wasm,json,sql,py}', {
    cwd: root,
  })) {
    if (/[/\\](fixtures|testing|e2e)[/\\]/.test(file)) continue;
    mkdirSync(dirname(join(stage, file)), { recursive: true });
    cpSync(join(root, file), join(stage, file));
  }
}

/** `packages/x` becomes `node_modules/@gantry/x`, its exports pointing at JavaScript. */
function moveOurPackages(root: string, stage: string): string[] {
  const names: string[] = [];
  for (const folder of globSync('packages/*/package.json', { cwd: root }).map(dirname).sort()) {
    const { name, version, exports = {} } = readManifest(join(root, folder));
    const home = join(stage, 'node_modules', name);
    mkdirSync(dirname(home), { recursive: true });
    renameSync(join(stage, folder), home);
    const compiled = Object.entries(exports)
      .map(([path, file]) => [path, file.replace(/\.ts$/, '.js')] as const)
      .filter(([, file]) => existsSync(join(home, file)));
    writeManifest(home, { name, version, type: 'module', exports: Object.fromEntries(compiled) });
    names.push(name);
  }
  rmSync(join(stage, 'packages'), { recursive: true, force: true });
  return names;
}

/**
 * Answers what it needs: npm takes the dependencies of a bundled package for bundled too and does not fetch them,
 * so its manifest names none and the top one names them all.
 */
function bundleForeign(root: string, stage: string, name: string): Needs {
  const from = join(root, 'node_modules', name);
  const to = join(stage, 'node_modules', name);
  cpSync(from, to, {
    recursive: true,
    filter: (path) =>
      !isForeignBinary.test(path) && !(basename(path) === 'node_modules' && dirname(path) === from),
  });
  const { dependencies, optionalDependencies, ...manifest } = readManifest(from);
  writeManifest(to, { ...manifest, scripts: undefined, devDependencies: undefined });
  const pin = (names: readonly string[]): Record<string, string> =>
    Object.fromEntries(names.map((each) => [each, installedVersion(root, name, each)]));
  return {
    dependencies: pin(Object.keys(dependencies ?? {}).filter((each) => !scriptOnly.has(each))),
    optionalDependencies: Object.fromEntries(
      Object.entries(optionalDependencies ?? {}).filter(([each]) => bundledForeign[name]!.test(each)),
    ),
  };
}

/** The version that `owner` sees: its own nested copy, else the one at the top. */
function installedVersion(root: string, owner: string, name: string): string {
  const nested = join(root, 'node_modules', owner, 'node_modules', name);
  return readManifest(existsSync(nested) ? nested : join(root, 'node_modules', name)).version;
}

function copyTexts(root: string, stage: string): void {
  for (const name of texts.filter((each) => existsSync(join(root, each))))
    cpSync(join(root, name), join(stage, name), {
      recursive: true,
      filter: (path) => !/\.test\.ts$|__pycache__|node_modules/.test(path),
    });
  // The sources travel as text: to read, and because the quickstart trains on them.
  for (const file of globSync('{packages,apps}/*/src/**/*.ts', { cwd: root })) {
    mkdirSync(dirname(join(stage, file)), { recursive: true });
    cpSync(join(root, file), join(stage, file));
  }
}

/** Every foreign dependency of every room, at exactly the version that the tests ran with. */
function topManifest(root: string, bundled: readonly string[], needs: readonly Needs[]): object {
  const workspace = readManifest(root);
  const dependencies: Record<string, string> = Object.assign({}, ...needs.map((each) => each.dependencies));
  for (const folder of globSync('{packages,apps}/*/package.json', { cwd: root }).map(dirname)) {
    for (const name of Object.keys(readManifest(join(root, folder)).dependencies ?? {}))
      dependencies[name] = readManifest(join(root, 'node_modules', name)).version;
  }
  return {
    name: 'gantry',
    version: workspace.version,
    description: workspace.description,
    license: workspace.license,
    type: 'module',
    bin: { gantry: 'bin/gantry.mjs' },
    engines: { node: '>=20.19' },
    dependencies: Object.fromEntries(Object.entries(dependencies).toSorted(([a], [b]) => a.localeCompare(b))),
    optionalDependencies: Object.assign(
      {},
      workspace.optionalDependencies,
      ...needs.map((each) => each.optionalDependencies),
    ),
    bundleDependencies: bundled,
  };
}
