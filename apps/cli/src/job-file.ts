/** Job files. */
import { dirname, resolve } from 'node:path';
import { type JobSpecInput, jobSpecSchema } from '@gantry/contract';
import { type SpecKind, parseSpecFile, readSpecFile } from './spec-file.ts';

const kind: SpecKind = {
  schema: jobSpecSchema,
  emptyHint: 'a job needs "train" or "command"',
  example: 'a job file looks like examples/quickstart.yaml; its schema: gantry job schema',
};

export function readJobFile(path: string): JobSpecInput {
  // Paths in the file mean what they mean beside it.
  return { workdir: dirname(resolve(path)), ...(readSpecFile(path, kind) as JobSpecInput) };
}

export const parseJobFile = (text: string, path: string): JobSpecInput =>
  parseSpecFile(text, path, kind) as JobSpecInput;
