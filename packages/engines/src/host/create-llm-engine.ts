/** Which decoder computes a language model. A cold start loads only its own. */
import { dirname } from 'node:path';
import { availableParallelism } from 'node:os';
import { buildFor, llamaBuild, type BuildDevice } from '../builds/gpu-builds.ts';
import type { AdapterOptions } from '../llamacpp/adapters.ts';
import type { SpeculationOptions } from '../llamacpp/drafter.ts';
import type { LlmEngine } from '../llm-engine.ts';
import { stampedLog } from './engine-journal.ts';

/** `paged`: our own, for the safetensors of a Llama-architecture model. */
export type LlmDecoder = 'llama.cpp' | 'paged';

export interface LlmEngineChoice {
  readonly decoder?: LlmDecoder;
  /** A GGUF file, or one of a model folder's files. */
  readonly modelPath: string;
  readonly contextTokens?: number;
  /** Answers computed together; default 8. */
  readonly slots?: number;
  /** Default: one core fewer than there are, at least 1; ggml's barriers stall when it takes them all. */
  readonly threads?: number;
  readonly speculation?: SpeculationOptions;
  readonly adapters?: readonly AdapterOptions[];
  readonly memory?: KvMemoryOptions;
  /** The replica was given one; without its build the processor computes, and the log says so. */
  readonly device?: BuildDevice;
  readonly onLog?: (line: string) => void;
}

export const threadsOf = ({ threads }: Pick<LlmEngineChoice, 'threads'>): number =>
  threads ?? Math.max(1, availableParallelism() - 1);

/** Where K/V that has to leave the memory goes. */
export interface KvMemoryOptions {
  /** Of the paged decoder, before the disk. */
  readonly spillMemoryBytes?: number;
  readonly spillDiskBytes?: number;
  readonly spillFolder?: string;
}

export async function createLlmEngine(choice: LlmEngineChoice): Promise<LlmEngine> {
  const { modelPath, contextTokens, speculation, adapters, memory } = choice;
  const onLog = choice.onLog && stampedLog(choice.onLog);
  const common = {
    slots: choice.slots ?? 8,
    threads: threadsOf(choice),
    ...(contextTokens === undefined ? {} : { contextTokens }),
    ...(onLog === undefined ? {} : { onLog }),
  };
  if (choice.decoder !== 'paged') {
    const { createLlamaEngine } = await import('../llamacpp/llama-engine.ts');
    const build = buildFor(choice.device, llamaBuild, onLog);
    return createLlamaEngine({
      ...common,
      ...(build === undefined ? {} : { build }),
      modelPath,
      ...(speculation === undefined ? {} : { speculation }),
      ...(adapters === undefined ? {} : { adapters }),
      ...(memory?.spillFolder === undefined || memory.spillDiskBytes === undefined
        ? {}
        : { parking: { folder: memory.spillFolder, bytes: memory.spillDiskBytes } }),
    });
  }
  const { createPagedEngine } = await import('../paged/paged-engine.ts');
  return createPagedEngine({
    ...common,
    ...memory,
    ...(adapters === undefined ? {} : { adapters }),
    ...(speculation === undefined ? {} : { speculation }),
    folder: dirname(modelPath),
  });
}
