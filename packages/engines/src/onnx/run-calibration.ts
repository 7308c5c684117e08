/** Calibration as a worker: a model and a file of samples in, the ranges of its activations out, as JSON on stdout. */
import { readFile } from 'node:fs/promises';
import { calibrationMethods, type CalibrationMethod } from '@gantry/conversion';
import { EngineError } from '../engine-error.ts';
import { parseInfer } from '../oip/parse-infer.ts';
import { calibrate } from './calibrate.ts';

/** What its spec file holds. */
export interface CalibrationSpec {
  readonly modelPath: string;
  /** Each line an Open Inference Protocol request: `{"inputs": [{name, shape, datatype, data}]}`. */
  readonly dataPath: string;
  readonly method: CalibrationMethod;
  readonly share?: number;
}

/** Exit codes as every worker has them: 64 for what is the caller's fault, said in one line on stderr. */
export async function runCalibration(env: Readonly<Record<string, string | undefined>>): Promise<number> {
  try {
    const spec = JSON.parse(await readFile(env['GANTRY_SPEC_FILE'] ?? '', 'utf8')) as CalibrationSpec;
    if (!calibrationMethods.includes(spec.method)) throw new Error(`there is no method ${spec.method}`);
    const lines = (await readFile(spec.dataPath, 'utf8')).split('\n');
    const samples = lines.flatMap((line, at) => (line.trim() === '' ? [] : [sampleOf(line, at + 1)]));
    if (samples.length === 0) throw new Error(`${spec.dataPath} holds no sample`);
    const ranges = await calibrate({
      modelPath: spec.modelPath,
      samples,
      method: spec.method,
      ...(spec.share === undefined ? {} : { share: spec.share }),
    });
    process.stdout.write(`${JSON.stringify(Object.fromEntries(ranges))}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 64;
  }
}

function sampleOf(line: string, number: number) {
  try {
    return parseInfer(Buffer.from(line), undefined).inputs;
  } catch (error) {
    throw new EngineError('invalid_value', `line ${number}: ${(error as Error).message}`);
  }
}
