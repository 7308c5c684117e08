/** Runs a worker that computes what ranges the activations of an ONNX model have on samples. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import type { ActivationRange, CalibrationMethod } from '@gantry/conversion';
import { CliError } from '../cli-error.ts';

const workerEntry = (): string =>
  join(import.meta.dirname, '..', '..', '..', 'worker', 'src', `main${extname(import.meta.filename)}`);

export async function calibrateModel(
  model: string,
  data: string,
  method: CalibrationMethod,
): Promise<ReadonlyMap<string, ActivationRange>> {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-calibrate-'));
  try {
    const specFile = join(folder, 'spec.json');
    await writeFile(specFile, JSON.stringify({ modelPath: resolve(model), dataPath: resolve(data), method }));
    const child = spawn(process.execPath, [workerEntry(), 'calibrate'], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, GANTRY_SPEC_FILE: specFile },
    });
    const ended = new Promise<number | null>((done) => child.on('close', done));
    const [said, complaint, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    if (code !== 0)
      throw new CliError('bad_data', `calibration failed: ${complaint.trim().split('\n').at(-1) ?? ''}`, {
        hint: 'a sample is a line {"inputs": [{"name", "shape", "datatype", "data"}]} with the inputs of the model',
      });
    return new Map(Object.entries(JSON.parse(said) as Record<string, ActivationRange>));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
