/** A conversion on this machine, without a server: a worker reads the file and writes another. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { convertSchema, type ConvertSpec } from '@gantry/contract';
import type { z } from 'zod';
import { CliError } from '../cli-error.ts';
import { runWorker } from '../run-worker.ts';

export interface ConvertedModel {
  readonly type: string;
  readonly steps: readonly string[];
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly cleanUps: readonly { readonly what: string; readonly count: number }[];
  /** Each with the root of its mean squared error, relative to the weights' own size. */
  readonly tensors: readonly { readonly name: string; readonly relativeError: number }[];
}

export type ConvertWish = z.input<typeof convertSchema>;

export async function convertHere(wish: ConvertWish, to: string): Promise<ConvertedModel> {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-convert-'));
  try {
    const specFile = join(folder, 'spec.json');
    const convert = checkedWish(wish);
    await writeFile(specFile, JSON.stringify({ convert, to: resolve(to) }));
    const { code, said, complaint } = await runWorker('convert', { GANTRY_SPEC_FILE: specFile });
    if (code !== 0) throw new CliError('bad_data', complaint);
    return JSON.parse(said) as ConvertedModel;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export function checkedWish(wish: ConvertWish): ConvertSpec {
  const parsed = convertSchema.safeParse(wish);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new CliError('bad_request', `${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim(), {
    hint: 'gantry model convert --help',
  });
}
