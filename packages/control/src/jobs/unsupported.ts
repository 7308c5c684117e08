/** Fields of a job that no runner here can act on yet: refused, since dropping one in silence would be a lie. */
import type { ErrorProblem, JobSpec } from '@gantry/contract';

const fields: readonly {
  readonly path: string;
  readonly isUsed: (spec: JobSpec) => boolean;
  readonly hint: string;
}[] = [
  {
    path: 'image',
    isUsed: (spec) => spec.image !== undefined,
    hint: 'the local runner runs programs of this machine; leave it out',
  },
  {
    path: 'volumes',
    isUsed: (spec) => spec.volumes.length > 0,
    hint: 'the local runner sees the files of this machine; use their paths',
  },
  {
    path: 'secrets',
    isUsed: (spec) => spec.secrets.length > 0,
    hint: 'there is no secret store yet; pass a value through env',
  },
  {
    path: 'outputs',
    isUsed: (spec) => spec.outputs.length > 0,
    hint: 'write files below GANTRY_RUN_DIR; they are kept with the job',
  },
];

export function unsupportedFields(spec: JobSpec): readonly ErrorProblem[] {
  return fields
    .filter(({ isUsed }) => isUsed(spec))
    .map(({ path, hint }) => ({ path, message: 'is not possible on this server yet', hint }));
}
