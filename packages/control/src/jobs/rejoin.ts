/**
 * A member of a gang whose launcher takes members back (torchrun with c10d) is begun again where it was, within the
 * attempt, when it was the machine's doing and not its own. The first rank holds the meeting point: without it there is
 * nothing to come back to, and the attempt ends as any other.
 */
import type { JobSpec } from '@gantry/contract';
import type { RankExit } from './end-of-attempt.ts';
import { membersLostLimit, takesMembersBack } from './torch-environment.ts';

export function mayComeBack(
  job: Pick<JobSpec, 'env' | 'command' | 'groups'>,
  rank: number,
  exit: Pick<RankExit, 'exitClass'>,
  lostBefore: number,
): boolean {
  return (
    rank > 0 &&
    exit.exitClass === 'infrastructure' &&
    job.groups === undefined &&
    takesMembersBack(job.env, job.command) &&
    lostBefore < membersLostLimit
  );
}
