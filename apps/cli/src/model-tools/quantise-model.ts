/** A GGUF file with smaller weights. */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { quantiseGguf, type QuantisedTensor, type QuantisedType } from '@gantry/conversion';
import { CliError } from '../cli-error.ts';

export interface SmallerModel {
  readonly from: string;
  readonly to: string;
  readonly type: QuantisedType;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly worst: QuantisedTensor;
  readonly tensors: readonly QuantisedTensor[];
}

export async function quantiseModel(from: string, to: string, type: QuantisedType): Promise<SmallerModel> {
  if (!existsSync(from)) throw new CliError('not_found', `there is no file ${from}`);
  const { file, tensors, bytesBefore, bytesAfter } = quantiseGguf(await readFile(from), type);
  await writeFile(to, file);
  const worst = tensors.reduce((one, other) => (other.relativeError > one.relativeError ? other : one));
  return { from, to, type, bytesBefore, bytesAfter, worst, tensors };
}
