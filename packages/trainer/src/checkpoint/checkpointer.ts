/**
 * One rank's side of saving: a copy of what it owns, written while training goes on. How far each rank is rides
 * on the sum of every step; when all have written, rank 0 seals the checkpoint. One save is under way at a time.
 */
import { mkdir, rm } from 'node:fs/promises';
import { ownedSpans } from '@gantry/training/parallel';
import type { ModelShard } from '../parallel/model-shard.ts';
import type { StageBuffer } from '../parallel/stage-buffer.ts';
import {
  asidePath,
  commitCheckpoint,
  pruneCheckpoints,
  sparePath,
  type SavedCheckpoint,
} from './checkpoint-folder.ts';
import type { CheckpointState } from './checkpoint-manifest.ts';
import { createShardWriter, type ShardWriter } from './shard-writer.ts';

export interface CheckpointerOptions {
  readonly directory: string;
  readonly shard: ModelShard;
  readonly keep: number;
  readonly keepBest: number;
  /** Those of steps that this divides stay for good. */
  readonly keepEvery?: number | undefined;
  /** For tests of bad days: what it throws is what the disk says. */
  readonly beforeWrite?: (directory: string) => Promise<void>;
}

export type SaveOutcome =
  | {
      readonly kind: 'saved';
      readonly checkpoint: SavedCheckpoint;
      readonly stallMs: number;
      readonly writeMs: number;
    }
  | { readonly kind: 'failed'; readonly step: number; readonly error: unknown; readonly isDiskFull: boolean };

/** Summed over all ranks. */
export interface SaveFlags {
  readonly written: number;
  readonly failed: number;
  readonly full: number;
}

function isDiskFull(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return code === 'ENOSPC' || code === 'EDQUOT';
}

interface Save {
  readonly state: CheckpointState;
  readonly stallMs: number;
  readonly startedMs: number;
  readonly written: Promise<void>;
  end: { readonly error?: unknown } | undefined;
}

export class Checkpointer implements AsyncDisposable {
  readonly #options: CheckpointerOptions;
  /** What this rank writes, one kind of values after the other. */
  readonly #owned: readonly (ReturnType<typeof ownedSpans> & { readonly buffer: StageBuffer })[];
  readonly #writer: ShardWriter;
  #save: Save | undefined;

  constructor(options: CheckpointerOptions) {
    const { saved, grid } = options.shard;
    this.#options = options;
    this.#owned = saved.map(({ buffer, layout }) => ({
      buffer,
      ...ownedSpans(layout, grid.dataIndex, grid.data),
    }));
    const elements = this.#owned.reduce((sum, { length }) => sum + length, 0);
    this.#writer = createShardWriter(grid.rank, elements);
  }

  get isBusy(): boolean {
    return this.#save !== undefined;
  }

  /** Returns when training may change its buffers again. */
  begin(state: CheckpointState): void {
    if (this.#save !== undefined) throw new Error('a checkpoint is already being written');
    const startedMs = performance.now();
    let base = 0;
    for (const { buffer, spans, length } of this.#owned) {
      for (const span of spans) this.#writer.snapshot.set(buffer.view(span), base + span.at);
      base += length;
    }
    const stallMs = performance.now() - startedMs;
    const save: Save = { state, stallMs, startedMs, written: this.#write(state.step), end: undefined };
    save.written.then(
      () => {
        save.end = {};
      },
      (error: unknown) => {
        save.end = { error };
      },
    );
    this.#save = save;
  }

  /** This rank's part of the sums that `settle` wants. */
  flags(): SaveFlags {
    const end = this.#save?.end;
    const isFailed = end !== undefined && 'error' in end;
    return {
      written: end !== undefined && !isFailed ? 1 : 0,
      failed: isFailed ? 1 : 0,
      full: isFailed && isDiskFull(end.error) ? 1 : 0,
    };
  }

  /** Ends the save once every rank has written or failed; the outcome is rank 0's to tell. */
  async settle(flags: SaveFlags, ranks: number): Promise<SaveOutcome | undefined> {
    const save = this.#save;
    if (save === undefined || flags.written + flags.failed < ranks) return undefined;
    this.#save = undefined;
    const { directory, shard, keep, keepBest, keepEvery } = this.#options;
    const { step } = save.state;
    if (shard.grid.rank > 0) return undefined;
    try {
      if (flags.failed > 0)
        throw save.end?.error ?? new Error(`${flags.failed} of ${ranks} ranks could not write`);
      const { data, tensor, pipeline } = shard.grid;
      const checkpoint = await commitCheckpoint(directory, save.state, { data, tensor, pipeline });
      await pruneCheckpoints(directory, { last: keep, best: keepBest, every: keepEvery });
      return {
        kind: 'saved',
        checkpoint,
        stallMs: save.stallMs,
        writeMs: performance.now() - save.startedMs,
      };
    } catch (error) {
      await rm(asidePath(directory, step), { recursive: true, force: true });
      return { kind: 'failed', step, error, isDiskFull: flags.full > 0 || isDiskFull(error) };
    }
  }

  /** Until this rank's own files are written, or could not be. */
  async written(): Promise<void> {
    await this.#save?.written.catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.written();
    await this.#writer[Symbol.asyncDispose]();
    const { directory, shard } = this.#options;
    if (shard.grid.rank === 0) await rm(sparePath(directory), { recursive: true, force: true });
  }

  async #write(step: number): Promise<void> {
    const { directory, beforeWrite } = this.#options;
    const aside = asidePath(directory, step);
    await mkdir(aside, { recursive: true });
    await beforeWrite?.(aside);
    await this.#writer.write(aside, sparePath(directory));
  }
}
