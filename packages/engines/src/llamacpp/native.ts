/**
 * The part of node-llama-cpp that is not public: the batch and the sampler of its addon. Its own batching
 * misses one sequence a step and cannot stop a prefill (shared notes, serving §3), so we step it ourselves.
 * The package is pinned to an exact version, and what is missing is found at load, not at the first request.
 */
import type { LlamaContext, LlamaModel } from 'node-llama-cpp';
import { EngineError } from '../engine-error.ts';

export interface NativeSampler {
  dispose(): void;
  applyConfig(config: Readonly<Record<string, unknown>>): void;
}

/** A LoRA adapter in memory. */
export interface NativeAdapter {
  dispose(): Promise<void>;
}

/** `[token, probabilities as token, value, token, value… from the likeliest]`. */
type SampledToken = readonly [token: number, probabilities: readonly number[] | undefined];

export interface NativeContext {
  initBatch(size: number): void;
  addToBatch(sequence: number, position: number, tokens: Uint32Array, logits: Uint32Array): Uint32Array;
  decodeBatch(): Promise<void>;
  sampleToken(logitIndex: number, sampler: NativeSampler): Promise<number>;
  sampleToken(logitIndex: number, sampler: NativeSampler, hasProbabilities: boolean): Promise<SampledToken>;
  removeTokenCellsFromSequence(sequence: number, from: number, to: number): boolean;
  copySequenceStateFromOtherSequence(target: number, source: number): Promise<number>;
  saveSequenceStateToFile(path: string, sequence: number, tokens: Uint32Array): Promise<number>;
  /** The tokens that it holds now. */
  loadSequenceStateFromFile(path: string, sequence: number, mostTokens: number): Promise<Uint32Array>;
  /** Of the passes from here on. */
  setLoras(adapters: readonly NativeAdapter[], scales: readonly number[]): void;
}

export interface NativeParts {
  readonly context: NativeContext;
  createSampler(): NativeSampler;
  loadAdapter(path: string): Promise<NativeAdapter>;
}

const needed = [
  'initBatch',
  'addToBatch',
  'decodeBatch',
  'sampleToken',
  'removeTokenCellsFromSequence',
  'copySequenceStateFromOtherSequence',
  'saveSequenceStateToFile',
  'loadSequenceStateFromFile',
  'setLoras',
] as const satisfies readonly (keyof NativeContext)[];

interface Bindings {
  readonly AddonSampler: new (model: unknown) => NativeSampler;
  readonly AddonModelLora: new (model: unknown, path: string) => NativeAdapter;
}

interface NativeModel {
  loadLora(adapter: NativeAdapter): Promise<void>;
}

export function nativeParts(model: LlamaModel, context: LlamaContext): NativeParts {
  const { _ctx: native } = context as unknown as { readonly _ctx?: NativeContext };
  const { _model: nativeModel, _llama: llama } = model as unknown as {
    readonly _model?: NativeModel;
    readonly _llama?: { readonly _bindings?: Bindings };
  };
  const bindings = llama?._bindings;
  const missing = needed.filter((name) => typeof native?.[name] !== 'function');
  if (native === undefined || nativeModel === undefined || bindings === undefined || missing.length > 0) {
    throw new EngineError(
      'engine_failed',
      `This node-llama-cpp lacks ${missing.join(', ') || 'its addon'}.`,
      {
        hint: 'Install the version that @gantry/engines names.',
      },
    );
  }
  return {
    context: native,
    createSampler: () => new bindings.AddonSampler(nativeModel),
    loadAdapter: async (path) => {
      const adapter = new bindings.AddonModelLora(nativeModel, path);
      await nativeModel.loadLora(adapter);
      return adapter;
    },
  };
}
