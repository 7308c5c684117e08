/** A GGUF or ONNX file with smaller weights. */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import {
  type CalibrationMethod,
  onnxWeightTypes,
  type OnnxWeightType,
  type QuantisedOnnx,
  quantiseGguf,
  quantiseOnnx,
  quantiseOnnxStatic,
} from '@gantry/conversion';
import { CliError } from '../cli-error.ts';
import { calibrateModel } from './calibrate-model.ts';

const ggufTypes = ['F16', 'Q8_0', 'Q6_K', 'Q5_K', 'Q4_K', 'Q4_0'] as const;
const calibratedTypes = ['int8-static', 'int16-activations'] as const;
export const smallerTypes = [...ggufTypes, ...onnxWeightTypes, ...calibratedTypes] as const;
export type SmallerType = (typeof smallerTypes)[number];

export interface SmallerModel {
  readonly from: string;
  readonly to: string;
  readonly type: SmallerType;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** Each with the root of its mean squared error, relative to the weights' own size. */
  readonly tensors: readonly { readonly name: string; readonly relativeError: number }[];
}

export interface Calibration {
  readonly data: string;
  readonly method: CalibrationMethod;
}

const isOneOf = <T extends string>(all: readonly T[], type: string): type is T =>
  (all as readonly string[]).includes(type);

export async function quantiseModel(
  from: string,
  to: string,
  type: SmallerType,
  calibration?: Calibration,
): Promise<SmallerModel> {
  if (!existsSync(from)) throw new CliError('not_found', `there is no file ${from}`);
  if (from.endsWith('.onnx') === isOneOf(ggufTypes, type))
    throw new CliError('bad_request', `${from} does not take the type ${type}`, {
      hint: `ONNX files take ${[...onnxWeightTypes, ...calibratedTypes].join(', ')}; GGUF files ${ggufTypes.join(', ')}`,
    });
  if (isOneOf(calibratedTypes, type) !== (calibration !== undefined))
    throw new CliError(
      'bad_request',
      calibration === undefined ? `${type} needs samples` : `${type} needs no samples`,
      { hint: `--calibrate rows.jsonl goes with ${calibratedTypes.join(' and ')}` },
    );
  const bytes = await readFile(from);
  const { file, tensors, bytesBefore, bytesAfter } = isOneOf(ggufTypes, type)
    ? quantiseGguf(bytes, type)
    : withTensors(await quantised(from, bytes, type, calibration));
  await writeFile(to, file);
  return { from, to, type, bytesBefore, bytesAfter, tensors };
}

async function quantised(
  from: string,
  bytes: Uint8Array,
  type: OnnxWeightType | (typeof calibratedTypes)[number],
  calibration: Calibration | undefined,
): Promise<QuantisedOnnx> {
  if (!isOneOf(calibratedTypes, type)) return quantiseOnnx(bytes, type);
  const ranges =
    calibration === undefined
      ? new Map<string, never>()
      : await calibrateModel(from, calibration.data, calibration.method);
  return quantiseOnnxStatic(bytes, ranges, type === 'int8-static' ? 'uint8' : 'uint16');
}

function withTensors({ layers, ...rest }: QuantisedOnnx) {
  if (layers.length === 0)
    throw new CliError('bad_request', 'no layer of this model gains from smaller numbers', {
      hint: 'only MatMul and Gemm with weights of 4,096 values or more are made smaller',
    });
  return { ...rest, tensors: layers };
}
