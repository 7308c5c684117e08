/**
 * One rank's side of saving: a copy of what it owns, written while training goes on. How far each rank is rides
 * on the sum of every step; when all have written, rank 0 seals the checkpoint. Some saves may be under way at a
 * time, each with memory of its own; they are sealed in the order in which they began.
 */
import { mkdir, rm } from 'node:fs/promises';
import { ownedSpans, sizesOf, type OwnedSpans } from '@gantry/training/parallel';
import type { FrozenState } from '../offload/index.ts';
import type { ModelShard } from '../parallel/model-shard.ts';
import type { StageBuffer } from '../parallel/stage-buffer.ts';
import {
  asidePath,
  checkpointPath,
  commitCheckpoint,
  pruneCheckpoints,
  sparePath,
  type SavedCheckpoint,
} from './checkpoint-folder.ts';
import type { EarlierShard } from './block-base.ts';
import type { CheckpointState, ShardRecord } from './checkpoint-manifest.ts';
import { createShardWriter, type ShardWriter } from './shard-writer.ts';
import type { Packing } from './shard-writer-thread.ts';

export interface CheckpointerOptions {
  readonly directory: string;
  readonly shard: ModelShard;
  readonly keep: number;
  readonly keepBest: number;
  /** Those of steps that this divides stay for good. */
  readonly keepEvery?: number | undefined;
  /** Whether blocks are made smaller before they are written; `auto`: when the disk is slow. */
  readonly packing?: Packing | undefined;
  /** Saves under way at one time, at most. */
  readonly savesAtOnce?: number | undefined;
  /** For tests: a disk no faster than this for each thread that writes. */
  readonly sinkBytesPerSecond?: number | undefined;
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
  readonly writer: ShardWriter;
  readonly stallMs: number;
  readonly startedMs: number;
  readonly written: Promise<ShardRecord>;
  end: { readonly record: ShardRecord } | { readonly error: unknown } | undefined;
}

export class Checkpointer implements AsyncDisposable {
  readonly #options: CheckpointerOptions;
  /** What this rank writes, one kind of values after the other. */
  readonly #owned: readonly (OwnedSpans & { readonly buffer: StageBuffer })[];
  readonly #writers: ShardWriter[] = [];
  readonly #idle: ShardWriter[] = [];
  /** The oldest first. */
  readonly #saves: Save[] = [];
  #earlier: EarlierShard | undefined;

  constructor(options: CheckpointerOptions) {
    const { saved, grid } = options.shard;
    this.#options = options;
    this.#owned = saved.map(({ buffer, layout, keeps }) => ({ buffer, ...ownedSpans(layout, grid, keeps) }));
    // The memory of the first save is there before training starts.
    this.#idle.push(this.#openWriter());
  }

  get isBusy(): boolean {
    return this.#saves.length > 0;
  }

  /** No save may begin until one has ended. */
  get isFull(): boolean {
    return this.#saves.length >= (this.#options.savesAtOnce ?? 1);
  }

  /** Returns when training may change its buffers again. */
  begin(done: CheckpointState): void {
    if (this.isFull) throw new Error('as many checkpoints as may be are already being written');
    const startedMs = performance.now();
    const writer = this.#idle.pop() ?? this.#openWriter();
    let base = 0;
    for (const { buffer, spans, length } of this.#owned) {
      for (const span of spans) writer.snapshot.set(buffer.view(span), base + span.at);
      base += length;
    }
    const stallMs = performance.now() - startedMs;
    const { saved, owed, basisRank } = this.#options.shard;
    const state: CheckpointState = {
      ...done,
      ...(saved.some(({ keeps }) => keeps !== undefined) ? { isSparse: true } : {}),
      ...(owed === undefined ? {} : { owes: true }),
      ...(basisRank === undefined ? {} : { basisRank }),
    };
    const written = this.#write(writer, state.step, this.#options.shard.offloaded?.freeze());
    const save: Save = { state, writer, stallMs, startedMs, written, end: undefined };
    written.then(
      (record) => {
        save.end = { record };
      },
      (error: unknown) => {
        save.end = { error };
      },
    );
    this.#saves.push(save);
  }

  /** This rank's part of the sums that `settle` wants: how far its oldest save is. */
  flags(): SaveFlags {
    const end = this.#saves[0]?.end;
    const isFailed = end !== undefined && 'error' in end;
    return {
      written: end !== undefined && !isFailed ? 1 : 0,
      failed: isFailed ? 1 : 0,
      full: isFailed && isDiskFull(end.error) ? 1 : 0,
    };
  }

  /** Ends the oldest save once every rank has written or failed; the outcome is rank 0's to tell. */
  async settle(flags: SaveFlags, ranks: number): Promise<SaveOutcome | undefined> {
    const [save] = this.#saves;
    if (save?.end === undefined || flags.written + flags.failed < ranks) return undefined;
    this.#saves.shift();
    this.#idle.push(save.writer);
    const { directory, shard } = this.#options;
    if ('record' in save.end && flags.failed === 0) {
      // Should rank 0 fail to seal it, its files are not found, and the next save is whole.
      const path = checkpointPath(directory, save.state.step);
      this.#earlier = { directory: path, record: save.end.record };
    }
    return shard.grid.rank > 0 ? undefined : await this.#seal(save, flags, ranks);
  }

  /** Until this rank's own files of the oldest save are written, or could not be. */
  async written(): Promise<void> {
    await this.#saves[0]?.written.catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#saves.map(({ written }) => written));
    for (const writer of this.#writers) await writer[Symbol.asyncDispose]();
    const { directory, shard } = this.#options;
    if (shard.grid.rank === 0) await rm(sparePath(directory), { recursive: true, force: true });
  }

  #openWriter(): ShardWriter {
    const { shard, packing, sinkBytesPerSecond } = this.#options;
    const writer = createShardWriter({
      rank: shard.grid.rank,
      elements: this.#owned.reduce((sum, { length }) => sum + length, 0),
      packing: packing ?? 'auto',
      isPadded: shard.offloaded !== undefined,
      sinkBytesPerSecond,
    });
    this.#writers.push(writer);
    return writer;
  }

  async #seal(save: Save, flags: SaveFlags, ranks: number): Promise<SaveOutcome> {
    const { directory, shard, keep, keepBest, keepEvery } = this.#options;
    const { step } = save.state;
    try {
      if (save.end !== undefined && 'error' in save.end) throw save.end.error;
      if (flags.failed > 0) throw new Error(`${flags.failed} of ${ranks} ranks could not write`);
      const checkpoint = await commitCheckpoint(directory, save.state, sizesOf(shard.grid));
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

  async #write(writer: ShardWriter, step: number, frozen: FrozenState | undefined): Promise<ShardRecord> {
    const { directory: parent, beforeWrite } = this.#options;
    const earlier = this.#earlier;
    const directory = asidePath(parent, step);
    try {
      await mkdir(directory, { recursive: true });
      await beforeWrite?.(directory);
      return await writer.write({ directory, step, spare: sparePath(parent), earlier, frozen });
    } finally {
      await frozen?.release();
    }
  }
}
