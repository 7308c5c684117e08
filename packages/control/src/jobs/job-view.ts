import { type Job, type JobState } from '@gantry/contract';
import type { Row } from '@gantry/ports';
import type { JobSpecRecord, JobStatusRecord } from './job-record.ts';
import type { Progress } from './live-progress.ts';

/** What is known beside the row, and fresher than it. */
export interface LiveView {
  readonly progress?: Progress | undefined;
  readonly waiting?: Job['waiting'];
  readonly size?: Job['size'];
  readonly notes?: readonly string[];
}

/** A row of the store → the job that people see. */
export function jobView(row: Row, tenantName: string, live: LiveView = {}): Job {
  const { job, user, queue } = row.spec as JobSpecRecord;
  const status = row.status as JobStatusRecord;
  const progress = live.progress ?? status.progress;
  const notes = [...new Set([...(status.notes ?? []), ...(live.notes ?? [])])];
  return defined({
    id: row.id,
    name: row.name,
    tenant: tenantName,
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
    version: row.version,
    queue,
    user,
    state: row.state as JobState,
    spec: job,
    attempts: status.attempts.map((attempt) =>
      defined({
        id: attempt.id,
        epoch: attempt.epoch,
        state: attempt.state,
        placement: attempt.placement.map((place) => ({ ...place, devices: [...place.devices] })),
        placedAt: attempt.placedAt,
        startedAt: attempt.startedAt,
        endedAt: attempt.endedAt,
        exitClass: attempt.exitClass,
        exitMessage: attempt.exitMessage,
        image: attempt.image,
      }),
    ),
    progress,
    waiting: row.state === 'queued' ? (live.waiting ?? status.waiting) : undefined,
    size: row.state === 'running' ? live.size : undefined,
    suspended: status.suspended,
    exitClass: status.exitClass,
    exitMessage: status.exitMessage,
    hint: status.hint,
    stderrTail: status.stderrTail === undefined ? undefined : [...status.stderrTail],
    modelVersion: status.modelVersion,
    outputs: status.outputs?.map((file) => ({ ...file })),
    notes: notes.length === 0 ? undefined : notes,
    deviceSeconds: status.deviceSeconds,
    startedAt: status.startedAt,
    endedAt: status.endedAt,
  });
}

/** The same object without the keys whose value is undefined, as `exactOptionalPropertyTypes` wants it. */
export function defined<T extends object>(value: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };
}
