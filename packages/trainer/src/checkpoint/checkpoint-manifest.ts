/**
 * `manifest.json` of a checkpoint: written last, with the checksums of every block of every file and of itself.
 * A folder without a manifest that agrees with its bytes is no checkpoint.
 */
import { createHash } from 'node:crypto';
import type { ParallelSizes } from '@gantry/training/parallel';
import type { BatchAdaptationState, NoiseState } from '@gantry/training/run';

export interface ShardFile {
  readonly path: string;
  readonly bytes: number;
}

/** Where a block of a shard lies; in a file of this save, or in one of an earlier save when it has not changed. */
export interface BlockPlace {
  /** Of the block as it is in memory. */
  readonly crc32: number;
  readonly file: string;
  readonly at: number;
  /** Fewer than the block is long: it is packed (`packed-block.ts`). */
  readonly bytes: number;
}

/** What one rank keeps of what it owns: parameters, then its moments, cut into blocks of `blockBytes`. */
export interface ShardRecord {
  readonly rank: number;
  readonly bytes: number;
  readonly files: readonly ShardFile[];
  readonly blocks: readonly BlockPlace[];
  /** Elements at which each kind of values begins; one after the other unless told. */
  readonly starts?: readonly number[] | undefined;
}

/** Of a batch that grows with the noise of its gradients. */
export interface AdaptationState {
  readonly batch: BatchAdaptationState;
  readonly noise: NoiseState | undefined;
}

export interface CheckpointState {
  /** Optimiser steps done. */
  readonly step: number;
  /** Sequences read since the start of training: with the seed it decides what is read next. */
  readonly position: number;
  /** All random choices (start values, order, samples) are functions of the seed and step or position. */
  readonly seed: number;
  /** Equal text means an equal model: sizes that give each offset its meaning. */
  readonly shape: Readonly<Record<string, unknown>>;
  /** Manifest digest of the prepared data, tokenizer included. */
  readonly dataDigest: string;
  /** Its name says how many moments follow the parameters. */
  readonly optimizer: string;
  readonly loss: number | undefined;
  /** Of half-precision training. */
  readonly lossScale?: { readonly scale: number; readonly goodSteps: number } | undefined;
  readonly adaptation?: AdaptationState | undefined;
  /** Moments that no step reads are left out (Muon: the second ones of matrices); before 2026-11 they were there. */
  readonly isSparse?: true;
  /** After the moments: gradients that compression has not sent yet. */
  readonly owes?: true;
  /** After these: PowerSGD's basis, of so many rows. */
  readonly basisRank?: number;
}

export interface CheckpointManifest extends CheckpointState {
  readonly format: 'gantry-checkpoint/3';
  readonly blockBytes: number;
  /** The ranks that wrote it; with `shape` it says what lies where. */
  readonly layout: ParallelSizes;
  readonly shards: readonly ShardRecord[];
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** The text to write, and its digest. */
export function sealManifest(manifest: CheckpointManifest): { text: string; digest: string } {
  const digest = sha256(JSON.stringify(manifest));
  return { text: `${JSON.stringify({ manifest, digest })}\n`, digest };
}

/** Throws a sentence when the text is not what was sealed. */
export function openManifest(text: string): { manifest: CheckpointManifest; digest: string } {
  let sealed: { manifest?: CheckpointManifest; digest?: string };
  try {
    sealed = JSON.parse(text) as typeof sealed;
  } catch {
    throw new Error('its manifest is not JSON');
  }
  const { manifest, digest } = sealed;
  if (manifest === undefined || digest === undefined || sha256(JSON.stringify(manifest)) !== digest) {
    throw new Error('its manifest does not agree with its own checksum');
  }
  if (manifest.format !== 'gantry-checkpoint/3') throw new Error('its format is another one');
  return { manifest, digest };
}
