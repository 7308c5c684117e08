/**
 * Files of S3 volumes that come while a job runs: a worker says which it reads next and which not again (`files`
 * reports), they are brought in this order, two at a time, and taken away when they are done with, so that the node's
 * cache may give their room to others. A report replaces the one before; after a restart workers ask again.
 */
import { GantryError, type WorkerReport, errorCodes } from '@gantry/contract';
import { pause } from '@gantry/kit';
import type { Row } from '@gantry/ports';
import type { Deps } from '../deps.ts';
import { workDirOf } from './job-inputs.ts';
import type { AttemptRecord } from './job-record.ts';
import { type FileRefusal, s3UseOf, s3VolumesOf } from './s3-volumes.ts';
import { mountTarget } from './volume-mounts.ts';

type FilesReport = Extract<WorkerReport, { type: 'files' }>;
type VolumeNumber = ReturnType<typeof s3VolumesOf>[number];

const filesAtOnce = 2;
/** A cache full of what is read now gets room when a worker is done with something; else it is too small. */
const fullPauseMs = 1_000;
const mostFullPauses = 60;

export class OnDemandFiles implements AsyncDisposable {
  readonly #deps: Deps;
  readonly #row: Row;
  readonly #attemptId: string;
  readonly #places: readonly { readonly target: string; readonly volume: VolumeNumber }[];
  readonly #over = new AbortController();
  /** There, or on their way. */
  readonly #known = new Set<string>();
  readonly #arriving = new Set<string>();
  /** What is asked for again waits until it has gone. */
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #fullPauseMs: number;
  #wanted: readonly string[] = [];
  #fetching = 0;
  #idle: Promise<void> = Promise.resolve();

  constructor(deps: Deps, row: Row, attempt: AttemptRecord, pauseMs = fullPauseMs) {
    this.#deps = deps;
    this.#row = row;
    this.#attemptId = attempt.id;
    this.#fullPauseMs = pauseMs;
    const workDir = workDirOf(deps, row, attempt);
    this.#places = s3VolumesOf(row)
      .filter(({ volume }) => volume.onDemand !== undefined)
      .map((volume) => ({ volume, target: mountTarget(volume.volume, workDir) }));
  }

  tell({ want, done }: FilesReport): void {
    if (this.#places.length === 0) return;
    this.#wanted = want;
    for (const path of done.filter((one) => !want.includes(one)))
      // What is still on its way goes when it has arrived.
      if (!this.#arriving.has(path) && this.#known.delete(path)) this.#leave(path);
    this.#goOn();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    this.#wanted = [];
    await this.#idle;
  }

  #goOn(): void {
    while (this.#fetching < filesAtOnce && !this.#over.signal.aborted) {
      const next = this.#wanted.find((path) => !this.#known.has(path));
      if (next === undefined) return;
      this.#known.add(next);
      this.#arriving.add(next);
      this.#fetching += 1;
      this.#then(
        this.#fetch(next).finally(() => {
          this.#arriving.delete(next);
          const isOver = this.#over.signal.aborted;
          if (!isOver && !this.#wanted.includes(next) && this.#known.delete(next)) this.#leave(next);
          this.#fetching -= 1;
          this.#goOn();
        }),
      );
    }
  }

  async #fetch(path: string): Promise<void> {
    const place = this.#placeOf(path);
    if (place === undefined) return;
    await this.#leaving.get(path);
    const use = await s3UseOf(this.#deps, this.#row, this.#attemptId, place.volume);
    const { s3Volumes } = this.#deps;
    for (let pauses = 0; ; pauses += 1) {
      try {
        const isThere = await s3Volumes.fetchFile(use, place.path, this.#over.signal);
        if (isThere) return;
        return await s3Volumes.refuseFile(use, place.path, {
          message: `${use.url} has no ${place.path} that comes on demand`,
          hint: 'onDemand of the volume names what does',
          isUsers: true,
        });
      } catch (error) {
        if (this.#over.signal.aborted) return;
        const isFull = error instanceof GantryError && error.code === 'disk_full';
        if (!isFull || pauses >= mostFullPauses || !this.#wanted.includes(path))
          return await s3Volumes.refuseFile(use, place.path, refusalOf(error));
        await pause(this.#fullPauseMs, this.#over.signal).catch(() => undefined);
      }
    }
  }

  #leave(path: string): void {
    const gone = this.#remove(path).finally(() => this.#leaving.delete(path));
    this.#leaving.set(
      path,
      gone.catch(() => undefined),
    );
    this.#then(gone);
  }

  async #remove(path: string): Promise<void> {
    const place = this.#placeOf(path);
    if (place === undefined) return;
    const use = await s3UseOf(this.#deps, this.#row, this.#attemptId, place.volume);
    await this.#deps.s3Volumes.removeFile(use, place.path);
  }

  #placeOf(path: string): { readonly volume: VolumeNumber; readonly path: string } | undefined {
    const place = this.#places.find(({ target }) => path.startsWith(`${target}/`));
    const inside = path.slice((place?.target.length ?? 0) + 1);
    // A worker's word: it must not lead out of the folder.
    const isInside = inside.split('/').every((part) => !['', '.', '..'].includes(part));
    return place && isInside ? { volume: place.volume, path: inside } : undefined;
  }

  #then(work: Promise<void>): void {
    const logged = work.catch((error: unknown) =>
      this.#deps.log.error(
        { jobId: this.#row.id, error: String(error) },
        'a file could not be brought to a job',
      ),
    );
    this.#idle = this.#idle.then(() => logged);
  }
}

function refusalOf(error: unknown): FileRefusal {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof GantryError)) return { message, isUsers: false };
  return {
    message,
    isUsers: errorCodes[error.code].fault === 'caller',
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  };
}
