/** A GGUF or ONNX file with smaller weights. */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { quantiseGguf, quantiseOnnx } from '@gantry/conversion';
import { CliError } from '../cli-error.ts';

export const smallerTypes = ['F16', 'Q8_0', 'Q6_K', 'Q5_K', 'Q4_K', 'Q4_0', 'int8'] as const;
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

export async function quantiseModel(from: string, to: string, type: SmallerType): Promise<SmallerModel> {
  if (!existsSync(from)) throw new CliError('not_found', `there is no file ${from}`);
  const isOnnx = from.endsWith('.onnx');
  if (isOnnx !== (type === 'int8'))
    throw new CliError('bad_request', `${from} does not take the type ${type}`, {
      hint: 'ONNX files take int8; GGUF files take F16, Q8_0, Q6_K, Q5_K, Q4_K or Q4_0',
    });
  const bytes = await readFile(from);
  const made = type === 'int8' ? toInt8(bytes) : quantiseGguf(bytes, type);
  await writeFile(to, made.file);
  const { tensors, bytesBefore, bytesAfter } = made;
  return { from, to, type, bytesBefore, bytesAfter, tensors };
}

function toInt8(bytes: Uint8Array) {
  const { layers, ...rest } = quantiseOnnx(bytes);
  if (layers.length === 0)
    throw new CliError('bad_request', 'no layer of this model gains from integers', {
      hint: 'only MatMul and Gemm with weights of 4,096 values or more are made integers',
    });
  return { ...rest, tensors: layers };
}
