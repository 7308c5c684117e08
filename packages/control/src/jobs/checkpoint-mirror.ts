/**
 * Checkpoints of a job on S3 as well: the newest one after each that is written, one at a time, so a slow server gets
 * fewer of them rather than later ones; and back into the run's folder when that has none, or an older one.
 */
import type { ErrorProblem } from '@gantry/contract';
import { formatBytes } from '@gantry/kit';
import type { Row } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import { openSecrets } from '../secrets/secrets.ts';
import { tellJobEvent } from './job-event.ts';
import type { AttemptRecord, JobSpecRecord } from './job-record.ts';

export interface MirrorUse {
  readonly jobId: string;
  /** Absent: where the operator said, with the server's keys. */
  readonly url?: string;
  readonly secret?: string;
}

export interface CheckpointMirror {
  /** Whether jobs that say nothing are mirrored too. */
  readonly hasDefault: boolean;
  problemWith(url: string): Omit<ErrorProblem, 'path'> | undefined;
  /** The newest checkpoint of the run; undefined when there is none or it is there already. */
  save(
    use: MirrorUse,
    options: { readonly keep: number; readonly signal: AbortSignal },
  ): Promise<{ readonly bytes: number; readonly movedBytes: number } | undefined>;
  /** Undefined when the run's folder has what is there, or something newer. */
  restore(
    use: MirrorUse,
    signal: AbortSignal,
  ): Promise<{ readonly files: number; readonly bytes: number } | undefined>;
}

export interface CheckpointMirroring {
  /** A checkpoint was written. */
  poke(row: Row): void;
  /** One may have been: frameworks do not say so. A look every half minute is enough. */
  glance(row: Row): void;
  /** After the last rank: what is newest now is there, or a sentence says why not. */
  finish(row: Row): Promise<readonly string[]>;
  notesOf(jobId: string): readonly string[];
}

async function useOf(deps: Deps, row: Row): Promise<MirrorUse | undefined> {
  const { to, secret: name } = (row.spec as JobSpecRecord).job.checkpoint;
  if (to === undefined) return deps.checkpointMirror.hasDefault ? { jobId: row.id } : undefined;
  if (name === undefined) return { jobId: row.id, url: to };
  const values = await openSecrets(deps, row.tenantId, { secrets: [{ name, env: 'S3' }] });
  return { jobId: row.id, url: to, secret: values['S3'] ?? '' };
}

/** Before the ranks start. */
export async function restoreCheckpoint(
  deps: Deps,
  row: Row,
  attempt: Pick<AttemptRecord, 'epoch'>,
  options: { readonly signal: AbortSignal; tell(note: string | undefined): void },
): Promise<void> {
  // The first attempt has nothing to come back to.
  const use = attempt.epoch <= 1 ? undefined : await useOf(deps, row);
  if (use === undefined) return;
  options.tell('looking for a newer checkpoint on S3');
  const restored = await deps.checkpointMirror.restore(use, options.signal);
  options.tell(undefined);
  if (restored === undefined) return;
  const { files, bytes } = restored;
  await tellJobEvent(deps, row, 'job.checkpoint_restored', { files, bytes });
}

const glanceEveryMs = 30_000;

export function createCheckpointMirroring(deps: Deps, signal: AbortSignal): CheckpointMirroring {
  const running = new Map<string, Promise<void>>();
  const again = new Set<string>();
  const notes = new Map<string, string>();
  const glancedMs = new Map<string, number>();

  const save = async (row: Row): Promise<void> => {
    try {
      const use = await useOf(deps, row);
      if (use === undefined) return;
      const { keep } = (row.spec as JobSpecRecord).job.checkpoint;
      const saved = await deps.checkpointMirror.save(use, { keep, signal });
      if (saved !== undefined)
        deps.log.info(
          { jobId: row.id, bytes: saved.bytes },
          `a checkpoint is on S3; ${formatBytes(saved.movedBytes)} of it were new`,
        );
      notes.delete(row.id);
    } catch (error) {
      if (signal.aborted) return;
      const why = error instanceof Error ? error.message : String(error);
      deps.log.warn({ jobId: row.id, error: why }, 'a checkpoint could not be copied to S3');
      notes.set(row.id, `the newest checkpoint is not on S3: ${why}`);
    }
  };

  const poke = (row: Row): void => {
    if (running.has(row.id)) return void again.add(row.id);
    const mine = save(row).finally(() => {
      running.delete(row.id);
      if (again.delete(row.id) && !signal.aborted) poke(row);
    });
    running.set(row.id, mine);
  };

  return {
    poke,
    glance: (row) => {
      const nowMs = deps.clock.monotonicMs();
      if (nowMs - (glancedMs.get(row.id) ?? Number.NEGATIVE_INFINITY) < glanceEveryMs) return;
      glancedMs.set(row.id, nowMs);
      poke(row);
    },
    finish: async (row) => {
      again.delete(row.id);
      glancedMs.delete(row.id);
      await running.get(row.id);
      await save(row);
      const note = notes.get(row.id);
      notes.delete(row.id);
      return note === undefined ? [] : [note];
    },
    notesOf: (jobId) => {
      const note = notes.get(jobId);
      return note === undefined ? [] : [note];
    },
  };
}
