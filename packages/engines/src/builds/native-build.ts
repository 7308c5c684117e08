/**
 * llama.cpp compiled on this machine, from the source that node-llama-cpp carries: for its very processor and by its own
 * compiler, where the package's binary is one for all. It is of use to this version of the package and this processor
 * only; a stamp beside it says whose it is, and a stamp that does not fit means that there is no build.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { installationModules, versionOf } from './installation.ts';

export interface NativeStamp {
  /** Of node-llama-cpp, whose scripts call the addon. */
  readonly package: string;
  /** Of llama.cpp. */
  readonly release: string;
  /** What the code may use of the processor: elsewhere an instruction could be missing. */
  readonly processor: string;
  readonly compiler: string;
  /** File name → SHA-256. */
  readonly files: Readonly<Record<string, string>>;
}

const stampName = 'gantry-build.json';

export const nativeFolder = (): string => join(installationModules(), '.gantry-engines', 'native');

export const stampPath = (folder: string): string => join(folder, stampName);

export function readStamp(folder: string): NativeStamp | undefined {
  if (!existsSync(stampPath(folder))) return undefined;
  return JSON.parse(readFileSync(stampPath(folder), 'utf8')) as NativeStamp;
}

/** What a build made here and now is for. */
export function wantedStamp(): Pick<NativeStamp, 'package' | 'processor'> {
  return { package: `node-llama-cpp@${versionOf('node-llama-cpp')}`, processor: processorOf(cpuText()) };
}

/** Holds `llama-addon.node`; undefined where none was built, or for another version or processor. */
export function nativeBuild(folder = nativeFolder()): string | undefined {
  const stamp = readStamp(folder);
  if (stamp === undefined) return undefined;
  const { package: held, processor } = wantedStamp();
  return stamp.package === held && stamp.processor === processor ? folder : undefined;
}

/** The same for processors that can do the same: of the first one that `/proc/cpuinfo` tells. */
export function processorOf(cpuinfo: string): string {
  const lines = cpuinfo.split('\n\n')[0]?.split('\n') ?? [];
  const told = lines.filter((line) => /^(model name|flags|Features|CPU implementer|CPU part)\s*:/.test(line));
  return createHash('sha256').update(told.join('\n')).digest('hex').slice(0, 16);
}

function cpuText(): string {
  return existsSync('/proc/cpuinfo') ? readFileSync('/proc/cpuinfo', 'utf8') : '';
}
