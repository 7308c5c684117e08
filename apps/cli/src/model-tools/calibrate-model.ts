/** Runs a worker that computes what ranges the activations of an ONNX model have on samples. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { ActivationRange, CalibrationMethod } from '@gantry/conversion';
import { CliError } from '../cli-error.ts';
import { runWorker } from '../run-worker.ts';

export async function calibrateModel(
  model: string,
  data: string,
  method: CalibrationMethod,
): Promise<ReadonlyMap<string, ActivationRange>> {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-calibrate-'));
  try {
    const specFile = join(folder, 'spec.json');
    await writeFile(specFile, JSON.stringify({ modelPath: resolve(model), dataPath: resolve(data), method }));
    const { code, said, complaint } = await runWorker('calibrate', { GANTRY_SPEC_FILE: specFile });
    if (code !== 0)
      throw new CliError('bad_data', `calibration failed: ${complaint}`, {
        hint: 'a sample is a line {"inputs": [{"name", "shape", "datatype", "data"}]} with the inputs of the model',
      });
    return new Map(Object.entries(JSON.parse(said) as Record<string, ActivationRange>));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
