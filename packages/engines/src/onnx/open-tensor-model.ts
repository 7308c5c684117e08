/** A model file with what its endpoint asks of it, warm: one ONNX model, or the models of an `ensemble.json`. */
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { BucketedModel, type BucketOptions } from './bucketed-model.ts';
import { parseEnsemble } from './ensemble-spec.ts';
import { Ensemble } from './ensemble.ts';
import { SequencedModel, type SequenceOptions } from './sequenced-model.ts';
import { createTensorEngine } from './create-tensor-engine.ts';
import type { TensorEngine, TensorEngineOptions } from './tensor-engine.ts';
import type { TensorModel } from './tensor-model.ts';
import { computeZeros, warmUp, type WarmUpRequest } from './warm-up.ts';

export interface TensorModelOptions extends TensorEngineOptions {
  /** Computed by every session before the model is open; absent: zeros once. */
  readonly warmUp?: readonly WarmUpRequest[];
  readonly onLog?: (line: string) => void;
  /** Told how long the first computations took, of each model that is opened. */
  readonly onWarm?: (elapsedMs: number) => void;
  readonly buckets?: BucketOptions;
  readonly sequence?: SequenceOptions;
}

export async function openTensorModel(options: TensorModelOptions): Promise<TensorModel> {
  const { modelPath, buckets, sequence, isBatchDeclared, onLog } = options;
  const isEnsemble = basename(modelPath) === 'ensemble.json';
  let model: TensorModel = await (isEnsemble ? openEnsemble(options) : openWarm(options));
  try {
    if (buckets !== undefined) model = new BucketedModel(model, buckets);
    if (sequence !== undefined) model = new SequencedModel(model, sequence);
    const { warmUp: requests } = options;
    if (requests !== undefined) {
      const startedMs = performance.now();
      await warmUp(model, { requests, folder: dirname(modelPath), isBatchDeclared, onLog });
      options.onWarm?.(performance.now() - startedMs);
    }
    return model;
  } catch (error) {
    await model[Symbol.asyncDispose]();
    throw error;
  }
}

async function openWarm(options: TensorModelOptions): Promise<TensorEngine> {
  const engine = await createTensorEngine(options);
  if (options.warmUp !== undefined) return engine;
  try {
    const startedMs = performance.now();
    await computeZeros(engine, options);
    options.onWarm?.(performance.now() - startedMs);
    return engine;
  } catch (error) {
    await engine[Symbol.asyncDispose]();
    throw error;
  }
}

async function openEnsemble(options: TensorModelOptions): Promise<Ensemble> {
  const spec = parseEnsemble(await readFile(options.modelPath, 'utf8'));
  const folder = dirname(options.modelPath);
  /** A model that is in several steps is loaded once. */
  const opened = new Map<string, TensorEngine>();
  try {
    const files = new Set(spec.steps.map(({ model }) => model));
    const threads = Math.max(1, Math.floor(options.threads / files.size));
    for (const file of files)
      opened.set(file, await openWarm({ ...options, threads, modelPath: join(folder, file) }));
    return new Ensemble(
      spec,
      spec.steps.map(({ model }) => opened.get(model) as TensorEngine),
    );
  } catch (error) {
    for (const engine of opened.values()) await engine[Symbol.asyncDispose]();
    throw error;
  }
}
