/**
 * The memory of a conversion that was given none. Files are read and written in strips, whatever the size of the model;
 * ONNX weights alone are made smaller as a whole.
 */
import { weightTypes } from '@gantry/contract';
import type { Client } from '@gantry/sdk';
import type { ConvertWish } from './convert-here.ts';

const gibibyte = 2 ** 30;
/** Enough for the strips, and for calibrating a small model. */
const usualBytes = 2 * gibibyte;
/** Measured without calibration: 3.7 times a model in single precision; calibration loads it once more. */
const copies = 6;
/** A model that is made smaller at once is 1.5 GiB at most. */
const mostBytes = 10 * gibibyte;

const isMadeWhole = ({ type }: Pick<ConvertWish, 'type'>): boolean =>
  type !== undefined && type !== 'F32' && (weightTypes.onnx as readonly string[]).includes(type);

/** `modelBytes` undefined: not known. */
export function conversionMemory(wish: Pick<ConvertWish, 'type'>, modelBytes: number | undefined): number {
  if (!isMadeWhole(wish) || modelBytes === undefined) return usualBytes;
  return Math.min(mostBytes, Math.max(usualBytes, gibibyte + copies * modelBytes));
}

/** Of a registered model, by the size of the version that is meant; a file's is known where the job runs only. */
export async function memoryOf(client: Client, wish: ConvertWish): Promise<number> {
  const { model } = wish;
  if (model === undefined || !isMadeWhole(wish)) return conversionMemory(wish, undefined);
  const [name = '', wanted] = model.split('@');
  const { aliases, latest } = await client.call('models.get', { params: { name } });
  const number = wanted === undefined ? latest : (aliases[wanted] ?? Number(wanted));
  const { items } = await client.call('models.versions', { params: { name }, query: { limit: 100 } });
  return conversionMemory(wish, items.find((version) => version.number === number)?.bytes);
}
