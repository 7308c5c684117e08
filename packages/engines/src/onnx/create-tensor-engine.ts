/** The sessions of a tensor model, each in its thread, and the engine that joins requests for them. */
import { startInstance, type OnnxInstance } from './onnx-instance.ts';
import { allowedCores, coresOf } from './pinned-cores.ts';
import { TensorEngine, type TensorEngineOptions } from './tensor-engine.ts';

export async function createTensorEngine(options: TensorEngineOptions): Promise<TensorEngine> {
  const instances = options.instances ?? 1;
  const threads = Math.max(1, Math.floor(options.threads / instances));
  const { modelPath, providers = ['cpu'], runtime, isPinned = false, isMapped = false } = options;
  const cores = isPinned ? await allowedCores() : undefined;
  const started: OnnxInstance[] = [];
  try {
    for (let index = 0; index < instances; index++)
      started.push(
        await startInstance({
          modelPath,
          threads,
          providers,
          runtime,
          isMapped,
          cores: cores && coresOf(index, threads, cores),
        }),
      );
    return new TensorEngine(options, started);
  } catch (error) {
    for (const instance of started) await instance[Symbol.asyncDispose]();
    throw error;
  }
}
