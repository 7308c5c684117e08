/** What an attempt leaves behind goes where it belongs, before its end is written down; safe to repeat. */
import type { Row } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import type { CheckpointMirroring } from './checkpoint-mirror.ts';
import { collectOutputs } from './collect-outputs.ts';
import type { AttemptEnd } from './end-of-attempt.ts';
import type { AttemptRecord } from './job-record.ts';
import { storeS3Volumes } from './s3-volumes.ts';

export interface KeptResults {
  readonly outputs: AttemptEnd['outputs'];
  /** What a job that ended well did not get kept. */
  readonly problem: NonNullable<AttemptEnd['problem']> | undefined;
  /** Nothing of its volumes is needed any more. */
  readonly areVolumesStored: boolean;
}

export async function keepResults(
  deps: Deps,
  mirroring: CheckpointMirroring,
  ended: { readonly row: Row; readonly attempt: AttemptRecord; readonly isDone: boolean },
  signal: AbortSignal,
): Promise<KeptResults> {
  const { row, attempt, isDone } = ended;
  const volumes = await storeS3Volumes(deps, row, attempt, signal);
  const mirrorNotes = await mirroring.finish(row);
  const outputs = isDone ? await collectOutputs(deps, row, attempt) : {};
  const notes = [
    ...(outputs.notes ?? []),
    ...volumes.notes,
    ...(volumes.problem === undefined ? [] : [`${volumes.problem.message}; ${volumes.problem.hint}`]),
    ...mirrorNotes,
  ];
  return {
    outputs: { ...outputs, ...(notes.length === 0 ? {} : { notes }) },
    problem: isDone ? volumes.problem : undefined,
    areVolumesStored: volumes.problem === undefined,
  };
}
