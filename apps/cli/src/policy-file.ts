/** Policy files: all that an operator sets about scheduling, or the parts of it that are to change. */
import { type RouteRequest, schedulingPolicyWrite } from '@gantry/contract';
import { type SpecKind, readSpecFile } from './spec-file.ts';

export type PolicyBody = NonNullable<RouteRequest<'scheduling.set'>['body']>;

const kind: SpecKind = {
  schema: schedulingPolicyWrite,
  emptyHint: 'a policy has keys like order, placement, pools or rules',
  example: 'a policy file looks like the one in docs/scheduling.md',
};

export const readPolicyFile = (path: string): PolicyBody => readSpecFile(path, kind) as PolicyBody;
