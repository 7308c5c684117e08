/**
 * The calibration table that TensorRT reads instead of calibrating itself: a line for each tensor with the step of its
 * eight bits, as the big-endian hexadecimal digits of a float32. The ranges are ours, by the same samples and rules as
 * for `int8-static`. What it was made from makes its digest, so that an equal one need not be made again.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ActivationRange } from '@gantry/conversion';

export function toCalibrationCache(
  ranges: ReadonlyMap<string, ActivationRange>,
  tensorRtNumber: string,
): string {
  const lines = [...ranges].map(([name, { low, high }]) => {
    const step = new DataView(new ArrayBuffer(4));
    step.setFloat32(0, Math.max(Math.abs(low), Math.abs(high)) / 127);
    return `${name}: ${step.getUint32(0).toString(16).padStart(8, '0')}`;
  });
  return [`TRT-${tensorRtNumber}-EntropyCalibration2`, ...lines, ''].join('\n');
}

/** Of a model, samples and a rule. */
export async function calibrationDigest(model: string, samples: string, method: string): Promise<string> {
  const hash = createHash('sha256').update(`tensorrt calibration 1 ${method}\n`);
  for (const path of [model, samples]) hash.update((await digestOf(path)).concat('\n'));
  return `sha256:${hash.digest('hex')}`;
}

export async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** The table in a plan's folder, if it was made from the same. */
export async function knownCache(folder: string, digest: string): Promise<string | undefined> {
  const facts = await readFile(join(folder, 'plan.json'), 'utf8').catch(() => '{}');
  const { calibration } = JSON.parse(facts) as { readonly calibration?: { readonly digest?: string } };
  if (calibration?.digest !== digest) return undefined;
  return readFile(join(folder, 'calibration.cache'), 'utf8').catch(() => undefined);
}
