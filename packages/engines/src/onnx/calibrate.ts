/**
 * What range the activations of a model have on samples: each sample is run twice, once for how far they reach and
 * once for how they lie within.
 */
import {
  type ActivationRange,
  calibrationModel,
  type CalibrationMethod,
  RangeObserver,
} from '@gantry/conversion';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WireTensor } from '../oip/wire-tensor.ts';
import { startInstance } from './onnx-instance.ts';

export interface CalibrationOptions {
  readonly modelPath: string;
  /** Inputs of the model, one sample after the other. */
  readonly samples: readonly (readonly WireTensor[])[];
  readonly method: CalibrationMethod;
  /** Of the values, for `percentile`. */
  readonly share?: number;
  readonly threads?: number;
}

export async function calibrate(options: CalibrationOptions): Promise<ReadonlyMap<string, ActivationRange>> {
  const { file, activations } = calibrationModel(await readFile(options.modelPath));
  const folder = await mkdtemp(join(tmpdir(), 'gantry-calibrate-'));
  try {
    const modelPath = join(folder, 'model.onnx');
    await writeFile(modelPath, file);
    await using instance = await startInstance({
      modelPath,
      threads: options.threads ?? 1,
      providers: ['cpu'],
    });
    const observers = new Map(activations.map((name) => [name, new RangeObserver()]));
    for (const pass of ['reach', 'fill'] as const)
      for (const sample of options.samples) {
        const given = new Map(sample.map((tensor) => [tensor.name, tensor]));
        const inner = activations.filter((name) => !given.has(name));
        const { tensors } = inner.length === 0 ? { tensors: [] } : await instance.run(sample, inner);
        for (const tensor of [...tensors, ...sample]) {
          if (tensor.datatype !== 'FP32') continue;
          observers.get(tensor.name)?.[pass](new Float32Array(tensor.bytes.slice().buffer));
        }
      }
    return new Map(
      [...observers].map(([name, observer]) => [name, observer.range(options.method, options.share)]),
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
