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
];

export function unsupportedFields(spec: JobSpec): readonly ErrorProblem[] {
  return fields
    .filter(({ isUsed }) => isUsed(spec))
    .map(({ path, hint }) => ({ path, message: 'is not possible on this server yet', hint }));
}
