/**
 * Builds of the engines for a device beside the processor: which packages they are, of the versions that this
 * installation has, and where they lie once installed. Beside the installation's own packages, because there a replica
 * sees them through its walls, and because they are of no use to another version.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { installationModules, versionOf } from './installation.ts';

export const buildDevices = ['cuda', 'vulkan'] as const;
export type BuildDevice = (typeof buildDevices)[number];

export interface BuildPart {
  /** Its folder. */
  readonly name: string;
  readonly engine: 'llama.cpp' | 'onnx runtime';
  /** `name@version` in the npm registry. */
  readonly package: string;
  /** Run in the package's folder by Node once it is there: what the registry has no room for. */
  readonly script?: readonly string[];
}

/** In `node_modules` of the installation, in the folder that tools keep their own things in. */
export const buildsFolder = (device: BuildDevice): string =>
  join(installationModules(), '.gantry-engines', device);

/** Empty where there is none for this machine. */
export function partsFor(
  device: BuildDevice,
  { platform, arch }: { readonly platform: string; readonly arch: string } = process,
): readonly BuildPart[] {
  if (platform !== 'linux' || arch !== 'x64') return [];
  const llama = `@node-llama-cpp/linux-x64-${device}`;
  const of = versionOf('node-llama-cpp');
  const main: BuildPart = { name: 'llama', engine: 'llama.cpp', package: `${llama}@${of}` };
  if (device !== 'cuda') return [main];
  return [
    main,
    { name: 'llama-libraries', engine: 'llama.cpp', package: `${llama}-ext@${of}` },
    {
      name: 'onnx',
      engine: 'onnx runtime',
      package: `onnxruntime-node@${versionOf('onnxruntime-node')}`,
      script: [join('script', 'install.js'), '--onnxruntime-node-install=cuda12'],
    },
  ];
}

/** Says that a part is whole, and which. */
export const markerOf = (folder: string, part: BuildPart): string =>
  join(folder, part.name, 'installed.json');

export function packageFolder(folder: string, part: BuildPart): string {
  return join(folder, part.name, 'node_modules', part.package.slice(0, part.package.lastIndexOf('@')));
}

export function isInstalled(folder: string, part: BuildPart): boolean {
  if (!existsSync(markerOf(folder, part))) return false;
  const { package: held } = JSON.parse(readFileSync(markerOf(folder, part), 'utf8')) as { package?: string };
  return held === part.package;
}

export interface LlamaBuild {
  readonly device: BuildDevice;
  /** Holds `llama-addon.node`. */
  readonly folder: string;
  readonly extraFolder: string | undefined;
}

/** What llama.cpp computes with on this device; undefined when it is not installed. */
export function llamaBuild(device: BuildDevice): LlamaBuild | undefined {
  const folder = buildsFolder(device);
  const parts = partsFor(device).filter(({ engine }) => engine === 'llama.cpp');
  if (parts.length === 0 || !parts.every((part) => isInstalled(folder, part))) return undefined;
  const bins = parts.map((part) => join(packageFolder(folder, part), 'bins', `linux-x64-${device}`));
  return { device, folder: bins[0] as string, extraFolder: bins[1] };
}

/** The ONNX Runtime that has this device's providers, as a module to import; undefined when it is not installed. */
export function onnxBuild(device: BuildDevice): string | undefined {
  const folder = buildsFolder(device);
  const part = partsFor(device).find(({ engine }) => engine === 'onnx runtime');
  if (part === undefined || !isInstalled(folder, part)) return undefined;
  const inside = packageFolder(folder, part);
  const { main } = JSON.parse(readFileSync(join(inside, 'package.json'), 'utf8')) as {
    readonly main: string;
  };
  return join(dirname(join(inside, 'package.json')), main);
}

/** The device that a replica was given, by its environment. */
export function deviceOf(env: Readonly<Record<string, string | undefined>>): BuildDevice | undefined {
  const visible = env['CUDA_VISIBLE_DEVICES'] ?? '';
  return visible === '' || visible.startsWith('-') ? undefined : 'cuda';
}

/** The build of a replica's device, if it was given one and the build is there. */
export function buildFor<Build>(
  device: BuildDevice | undefined,
  find: (device: BuildDevice) => Build | undefined,
  onLog: ((line: string) => void) | undefined,
): Build | undefined {
  if (device === undefined) return undefined;
  const build = find(device);
  if (build === undefined)
    onLog?.(
      `this replica has a device, but there is no ${device} build: the processor computes. Run gantry engine install ${device}.`,
    );
  return build;
}
