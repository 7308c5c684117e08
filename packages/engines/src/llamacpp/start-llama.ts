/**
 * llama.cpp's library in this process. The package starts a process of its own to try its prebuilt binary first, in case
 * it takes the caller down; that is two thirds of a cold start (measured 250–1,250 ms), and an engine is already a
 * process that may fall alone. So the binary is loaded as it is, and the package's own way is left for whatever this
 * does not know: other systems, a missing part, a binary that cannot be opened.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { getLlama, Llama, LlamaLogLevel } from 'node-llama-cpp';
import { EngineError } from '../engine-error.ts';

const require = createRequire(import.meta.url);

/** Not public: what `getLlama` calls once it has chosen a binary. */
interface Creator {
  _create?(parts: Readonly<Record<string, unknown>>): Promise<Llama>;
}

export async function startLlama(onLog: ((line: string) => void) | undefined): Promise<Llama> {
  const logging = {
    logLevel: LlamaLogLevel.warn,
    logger: (_level: LlamaLogLevel, message: string) => onLog?.(message.trim()),
  };
  const direct = await loadPrebuilt(logging).catch((cause: unknown) => {
    onLog?.(`llama.cpp's binary is tried first: ${cause instanceof Error ? cause.message : String(cause)}`);
    return undefined;
  });
  if (direct !== undefined) return direct;
  return getLlama({ gpu: false, build: 'never', skipDownload: true, ...logging }).catch((cause: unknown) => {
    throw new EngineError('engine_failed', 'llama.cpp cannot be started on this machine.', {
      hint: `Is there a @node-llama-cpp package for ${process.platform}-${process.arch}? Run npm ci without --omit=optional.`,
      cause,
    });
  });
}

/** Undefined where the package's own way is the way. */
async function loadPrebuilt(logging: Readonly<Record<string, unknown>>): Promise<Llama | undefined> {
  const creator = Llama as unknown as Creator;
  if (process.platform !== 'linux' || creator._create === undefined) return undefined;
  const build = `linux-${process.arch}`;
  const folder = join(dirname(require.resolve(`@node-llama-cpp/${build}`)), '..', 'bins', build);
  const bindingPath = join(folder, 'llama-addon.node');
  const buildMetadata: unknown = JSON.parse(await readFile(join(folder, '_nlcBuildMetadata.json'), 'utf8'));
  // Each engine gets an addon of its own: one that is disposed of must not take another's along.
  delete require.cache[bindingPath];
  return creator._create({
    bindings: require(bindingPath) as unknown,
    bindingPath,
    buildType: 'prebuilt',
    buildMetadata,
    // How much memory a replica may take is the platform's to say.
    vramPadding: 0,
    ramPadding: 0,
    debug: false,
    numa: false,
    tempDir: false,
    ...logging,
  });
}
