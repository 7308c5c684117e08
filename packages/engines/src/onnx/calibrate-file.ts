/** The ranges of a model's activations on the samples of a file. */
import { readFile } from 'node:fs/promises';
import type { ActivationRange, CalibrationMethod } from '@gantry/conversion';
import { EngineError } from '../engine-error.ts';
import { parseInfer } from '../oip/parse-infer.ts';
import { calibrate } from './calibrate.ts';

export interface FileCalibration {
  readonly modelPath: string;
  /** Each line an Open Inference Protocol request: `{"inputs": [{name, shape, datatype, data}]}`. */
  readonly dataPath: string;
  readonly method: CalibrationMethod;
}

export async function calibrateFile({
  modelPath,
  dataPath,
  method,
}: FileCalibration): Promise<ReadonlyMap<string, ActivationRange>> {
  const text = await readFile(dataPath, 'utf8').catch(() => '');
  const samples = text
    .split('\n')
    .flatMap((line, at) => (line.trim() === '' ? [] : [sampleOf(line, at + 1)]));
  if (samples.length === 0)
    throw new EngineError('invalid_value', `${dataPath} holds no sample`, {
      hint: 'a sample is a line {"inputs": [{"name", "shape", "datatype", "data"}]} with the inputs of the model',
    });
  return calibrate({ modelPath, samples, method });
}

function sampleOf(line: string, number: number) {
  try {
    return parseInfer(Buffer.from(line), undefined).inputs;
  } catch (error) {
    throw new EngineError('invalid_value', `line ${number}: ${(error as Error).message}`);
  }
}
