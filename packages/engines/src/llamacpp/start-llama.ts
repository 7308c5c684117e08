/**
 * llama.cpp's library in this process. The package starts a process of its own to try its prebuilt binary first, in case
 * it takes the caller down; that is two thirds of a cold start (measured 250–1,250 ms), and an engine is already a
 * process that may fall alone. So the binary is loaded as it is: the one that was compiled on this machine where there is
 * one, else the package's. The package's own way is left for whatever this does not know: other systems, a missing part,
 * binaries that cannot be opened.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getLlama, Llama, LlamaLogLevel } from 'node-llama-cpp';
import type { LlamaBuild } from '../builds/gpu-builds.ts';
import { nativeBuild, readStamp } from '../builds/native-build.ts';
import { EngineError } from '../engine-error.ts';
import { addonPath, openAddon, prebuiltFolder } from './prebuilt-binary.ts';

/** Not public: what `getLlama` calls once it has chosen a binary. */
interface Creator {
  _create?(parts: Readonly<Record<string, unknown>>): Promise<Llama>;
}
const creator = Llama as unknown as Creator;
type Logging = Readonly<Record<string, unknown>>;

export interface LlamaOptions {
  /** Computes on its device; absent: on the processor. */
  readonly build?: LlamaBuild;
  readonly onLog?: (line: string) => void;
}

export async function startLlama({ build, onLog }: LlamaOptions): Promise<Llama> {
  const logging = {
    logLevel: LlamaLogLevel.warn,
    logger: (_level: LlamaLogLevel, message: string) => onLog?.(message.trim()),
  };
  if (build !== undefined) return startOn(build, logging);
  for (const { name, folder } of hostBinaries()) {
    const direct = await open(folder, { ...logging, vramPadding: 0 }).catch((cause: unknown) => {
      onLog?.(`${name} does not open: ${reasonOf(cause)}`);
      return undefined;
    });
    if (direct !== undefined) return direct;
  }
  return getLlama({ gpu: false, build: 'never', skipDownload: true, ...logging }).catch((cause: unknown) => {
    throw new EngineError('engine_failed', 'llama.cpp cannot be started on this machine.', {
      hint: `Is there a @node-llama-cpp package for ${process.platform}-${process.arch}? Run npm ci without --omit=optional.`,
      cause,
    });
  });
}

async function startOn(build: LlamaBuild, logging: Logging): Promise<Llama> {
  const { device, folder, extraFolder } = build;
  const llama = await open(folder, {
    ...logging,
    extBackendsPath: extraFolder,
    // Of a model that does not fit wholly, so much stays off the device that the replica is not unready for ever.
    vramPadding: (totalBytes: number) => totalBytes * 0.08,
  }).catch((cause: unknown) => {
    throw new EngineError('engine_failed', `llama.cpp cannot compute on ${device} here: ${reasonOf(cause)}`, {
      hint: 'Is its driver installed?',
      cause,
    });
  });
  if (llama.gpu === device) return llama;
  await llama.dispose();
  throw new EngineError('engine_failed', `llama.cpp finds no ${device} device here.`, {
    hint: 'Is its driver installed, and may this process see the device?',
  });
}

/** What may be opened as it is, best first; empty where the package's own way is the way. */
export function hostBinaries(): readonly { readonly name: string; readonly folder: string }[] {
  if (creator._create === undefined) return [];
  const [native, shipped] = [nativeBuild(), prebuiltFolder()];
  return [
    ...(native === undefined ? [] : [{ name: "this machine's build of llama.cpp", folder: native }]),
    ...(shipped === undefined ? [] : [{ name: "llama.cpp's binary", folder: shipped }]),
  ];
}

async function open(folder: string, options: Readonly<Record<string, unknown>>): Promise<Llama> {
  if (creator._create === undefined) throw new Error('this node-llama-cpp is another version');
  return creator._create({
    bindings: openAddon(folder),
    bindingPath: addonPath(folder),
    buildType: 'prebuilt',
    buildMetadata: await metadataOf(folder),
    // How much memory a replica may take is the platform's to say.
    ramPadding: 0,
    debug: false,
    numa: false,
    tempDir: false,
    ...options,
  });
}

/** As the package's own builds carry it. */
async function metadataOf(folder: string): Promise<unknown> {
  const path = join(folder, '_nlcBuildMetadata.json');
  if (existsSync(path)) return JSON.parse(await readFile(path, 'utf8'));
  const { platform, arch } = process;
  const llamaCpp = { repo: 'ggml-org/llama.cpp', release: readStamp(folder)?.release };
  return {
    buildOptions: { customCmakeOptions: {}, progressLogs: false, platform, arch, gpu: false, llamaCpp },
  };
}

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
