/**
 * A job's volumes from S3: fetched into a folder of the attempt before its ranks start, written back after its end
 * when the job may write. What is fetched lies beside the attempt, so a server that starts anew finds it.
 */
import { GantryError, type ErrorProblem, type Volume, errorCodes } from '@gantry/contract';
import { formatBytes } from '@gantry/kit';
import type { Row } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import { openSecrets } from '../secrets/secrets.ts';
import { tellJobEvent } from './job-event.ts';
import type { AttemptRecord, JobSpecRecord } from './job-record.ts';

export interface S3Use {
  readonly url: string;
  /** What the named secret holds. */
  readonly secret?: string;
  readonly dir: string;
  readonly isWritable: boolean;
  /** Globs of files that come when the job asks for them. */
  readonly onDemand?: readonly string[];
}

/** Why a file will not come, left beside it for whoever waits. */
export interface FileRefusal {
  readonly message: string;
  readonly hint?: string;
  readonly isUsers: boolean;
}

export interface S3Progress {
  readonly files: number;
  readonly bytes: number;
  readonly bytesDone: number;
  /** Of what is done: bytes that the node had already. */
  readonly cachedBytes: number;
}

/** Prefixes of S3 as folders of this node. */
export interface S3Volumes {
  /** What can be told without asking the server: nothing when it is worth a try. */
  problemWith(url: string): Omit<ErrorProblem, 'path'> | undefined;
  /** Whole, or it throws. Undefined: an earlier call fetched it whole, and it is left as it is. */
  fetch(
    use: S3Use,
    options: { readonly signal: AbortSignal; readonly onProgress: (progress: S3Progress) => void },
  ): Promise<S3Progress | undefined>;
  /** New and changed files; safe to repeat. */
  store(
    use: S3Use,
    signal: AbortSignal,
  ): Promise<{ readonly files: number; readonly bytes: number; readonly notes: readonly string[] }>;
  /** Of a volume with `onDemand`: into its folder, whole. False: the volume has no such file. */
  fetchFile(use: S3Use, path: string, signal: AbortSignal): Promise<boolean>;
  removeFile(use: S3Use, path: string): Promise<void>;
  refuseFile(use: S3Use, path: string, refusal: FileRefusal): Promise<void>;
  remove(dir: string): Promise<void>;
  /** Prefixes fetched here lately, the newest last, by `s3DataKey`. */
  lyingHere(): readonly string[];
}

const tellEveryMs = 500;

type S3Volume = Volume & { readonly s3: string };

const volumesDirOf = (deps: Deps, jobId: string, attemptId: string): string =>
  `${deps.places.runDir(jobId)}/attempts/${attemptId}/volumes`;

export const s3VolumeDir = (deps: Deps, jobId: string, attemptId: string, index: number): string =>
  `${volumesDirOf(deps, jobId, attemptId)}/${index}`;

export function s3VolumesOf(row: Row): readonly { readonly index: number; readonly volume: S3Volume }[] {
  const { job } = row.spec as JobSpecRecord;
  return job.volumes.flatMap((volume, index) => (isS3(volume) ? [{ index, volume }] : []));
}
const isS3 = (volume: Volume): volume is S3Volume => volume.s3 !== undefined;

export async function s3UseOf(
  deps: Deps,
  row: Row,
  attemptId: string,
  { index, volume }: { readonly index: number; readonly volume: S3Volume },
): Promise<S3Use> {
  const name = volume.secret;
  const values =
    name === undefined ? {} : await openSecrets(deps, row.tenantId, { secrets: [{ name, env: 'S3' }] });
  return {
    url: volume.s3,
    ...(values['S3'] === undefined ? {} : { secret: values['S3'] }),
    dir: s3VolumeDir(deps, row.id, attemptId, index),
    isWritable: !volume.readOnly,
    ...(volume.onDemand === undefined ? {} : { onDemand: volume.onDemand }),
  };
}

/** `tell` hears how far it is, in words. */
export async function fetchS3Volumes(
  deps: Deps,
  row: Row,
  attempt: Pick<AttemptRecord, 'id'>,
  options: { readonly signal: AbortSignal; tell(note: string | undefined): void },
): Promise<void> {
  const volumes = s3VolumesOf(row);
  for (const each of volumes) {
    const url = each.volume.s3;
    const beganMs = deps.clock.monotonicMs();
    let toldMs = beganMs;
    options.tell(`fetching ${url}`);
    const done = await deps.s3Volumes.fetch(await s3UseOf(deps, row, attempt.id, each), {
      signal: options.signal,
      onProgress: ({ bytesDone, bytes }) => {
        const nowMs = deps.clock.monotonicMs();
        if (nowMs - toldMs < tellEveryMs) return;
        toldMs = nowMs;
        options.tell(`fetching ${url}: ${formatBytes(bytesDone)} of ${formatBytes(bytes)}`);
      },
    });
    if (done === undefined) continue;
    const tookMs = Math.round(deps.clock.monotonicMs() - beganMs);
    await tellJobEvent(deps, row, 'job.volume_fetched', {
      url,
      files: done.files,
      bytes: done.bytes,
      cachedBytes: done.cachedBytes,
      tookMs,
    });
  }
  if (volumes.length > 0) options.tell(undefined);
}

export interface StoredVolumes {
  readonly notes: readonly string[];
  /** What could not be written back; the files stay where they are. */
  readonly problem?: { readonly message: string; readonly hint: string; readonly isUsers: boolean };
}

/** After every end of an attempt, good or bad: what was written before it broke may be what the next one needs. */
export async function storeS3Volumes(
  deps: Deps,
  row: Row,
  attempt: Pick<AttemptRecord, 'id'>,
  signal: AbortSignal,
): Promise<StoredVolumes> {
  const notes: string[] = [];
  for (const each of s3VolumesOf(row)) {
    if (each.volume.readOnly) continue;
    const url = each.volume.s3;
    try {
      const stored = await deps.s3Volumes.store(await s3UseOf(deps, row, attempt.id, each), signal);
      notes.push(...stored.notes);
      if (stored.files === 0) continue;
      await tellJobEvent(deps, row, 'job.volume_stored', { url, files: stored.files, bytes: stored.bytes });
    } catch (error) {
      signal.throwIfAborted();
      const why = error instanceof Error ? error.message : String(error);
      return {
        notes,
        problem: {
          message: `what it wrote could not be kept: ${why}`,
          hint: `the files lie in ${s3VolumeDir(deps, row.id, attempt.id, each.index)} until the run is removed`,
          isUsers: error instanceof GantryError && errorCodes[error.code].fault === 'caller',
        },
      };
    }
  }
  return { notes };
}

export async function removeS3Volumes(
  deps: Deps,
  row: Row,
  attempt: Pick<AttemptRecord, 'id'>,
): Promise<void> {
  if (s3VolumesOf(row).length > 0) await deps.s3Volumes.remove(volumesDirOf(deps, row.id, attempt.id));
}
