/** A GGUF file read into memory, with the context, adapters, drafts and files that its engine works with. */
import type { GgufHeader } from '@gantry/formats';
import type { Llama, LlamaContext, LlamaModel } from 'node-llama-cpp';
import type { LlamaBuild } from '../builds/gpu-builds.ts';
import { EngineError } from '../engine-error.ts';
import { Adapters, type AdapterOptions } from './adapters.ts';
import { checkModelFile } from './check-model-file.ts';
import { createDrafter, vocabularyOf, type Speculation, type SpeculationOptions } from './drafter.ts';
import { widestPass } from './model-facts.ts';
import { nativeParts, type NativeParts } from './native.ts';
import { kvBytesPerToken, ParkedFiles, type ParkingOptions } from './parked-files.ts';
import { startLlama } from './start-llama.ts';

export interface LlamaEngineOptions {
  readonly modelPath: string;
  /** Tokens of one sequence; at most what the model was trained for. */
  readonly contextTokens?: number;
  /** Sequences computed together. */
  readonly slots: number;
  readonly threads: number;
  /** Most tokens of one forward pass; default what `widestPass` says. */
  readonly stepTokens?: number;
  /** Prompt tokens beside running streams; default what `piecesOf` says. */
  readonly prefillTokens?: number;
  /** Guess tokens ahead and check them in one pass; the answer is the same, sooner. */
  readonly speculation?: SpeculationOptions;
  readonly adapters?: readonly AdapterOptions[];
  /** Prefixes that have to leave the K/V memory are kept in files. */
  readonly parking?: ParkingOptions;
  /** Of llama.cpp for a device; absent: the processor computes. */
  readonly build?: LlamaBuild;
  readonly onLog?: (line: string) => void;
}

/** Of a page in which memory is accounted and prefixes are found again. */
export const tokensPerBlock = 16;

export interface LoadedModel {
  readonly contextTokens: number;
  /** Of the widest pass. */
  readonly stepTokens: number;
  /** Pages that the files of parked prefixes have room for. */
  readonly spillSlots: number;
  readonly header: GgufHeader;
  readonly llama: Llama;
  readonly model: LlamaModel;
  readonly context: LlamaContext;
  readonly native: NativeParts;
  readonly adapters: Adapters;
  readonly parking: ParkedFiles | undefined;
  readonly speculation: Speculation | undefined;
}

/** Throws `EngineError`; what was loaded until then is let go. */
export async function loadModel(options: LlamaEngineOptions): Promise<LoadedModel> {
  const header = await checkModelFile(options.modelPath);
  const llama = await startLlama(options);
  let model: LlamaModel | undefined;
  try {
    model = await llama.loadModel({ modelPath: options.modelPath });
    const contextTokens = Math.min(options.contextTokens ?? 2_048, model.trainContextSize);
    const stepTokens = Math.max(options.stepTokens ?? widestPass(model), options.slots);
    const context = await model.createContext({
      sequences: options.slots,
      contextSize: contextTokens,
      batchSize: stepTokens,
      flashAttention: true,
      threads: options.threads,
    });
    const speculation = options.speculation && {
      tokens: options.speculation.tokens ?? 4,
      drafter: await createDrafter(llama, vocabularyOf(model), options.speculation, {
        contextTokens,
        slots: options.slots,
        threads: options.threads,
      }),
    };
    const native = nativeParts(model, context);
    const adapters = new Adapters(native);
    for (const adapter of options.adapters ?? []) await adapters.load(adapter);
    const { parking: room } = options;
    const tokenBytes = kvBytesPerToken(header);
    const spillSlots =
      room === undefined || tokenBytes === undefined
        ? 0
        : Math.floor(room.bytes / tokenBytes / tokensPerBlock);
    const parking =
      room === undefined || spillSlots === 0
        ? undefined
        : await ParkedFiles.open(room, native.context, contextTokens);
    const sizes = { contextTokens, stepTokens, spillSlots };
    return { ...sizes, header, llama, model, context, native, adapters, parking, speculation };
  } catch (cause) {
    await model?.dispose();
    await llama.dispose();
    if (cause instanceof EngineError) throw cause;
    throw new EngineError('model_invalid', `The model ${options.modelPath} cannot be loaded.`, {
      hint:
        cause instanceof Error ? cause.message : 'Is it a GGUF file of an architecture that llama.cpp knows?',
      cause,
    });
  }
}
