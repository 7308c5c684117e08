/** `manifest.json` of a prepared data set: written last and by rename, so it exists only when all else does. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { tokenizerFromJson, type Tokenizer } from '@gantry/training/tokenizer';
import { DataError } from './data-error.ts';
import type { PackingCounts } from './document-shards.ts';
import type { TokenShard } from './token-shard.ts';

export interface DatasetFile {
  readonly path: string;
  readonly bytes: number;
  readonly digest: string;
  readonly use: 'train' | 'validation' | 'both' | 'skipped';
  /** Why it was left out. */
  readonly reason?: 'binary' | 'empty' | 'duplicate' | 'cleaned';
}

export interface DatasetSplit {
  readonly tokens: number;
  readonly shards: readonly TokenShard[];
}

export interface DatasetSource {
  readonly name: string;
  readonly weight: number;
  readonly tokens: number;
  readonly shards: number;
}

export interface DatasetManifest {
  readonly format: 'gantry-tokens/3';
  readonly vocabularySize: number;
  readonly eosId: number;
  readonly sequenceLength: number;
  readonly seed: number;
  readonly validationFraction: number;
  readonly tokenizerDigest: string;
  /** Nats a token of the bigram baseline on the validation tokens. */
  readonly bigramLoss: number;
  /** Their training shards follow each other in `train`, in this order. */
  readonly sources: readonly DatasetSource[];
  readonly train: DatasetSplit;
  readonly validation: DatasetSplit;
  readonly files: readonly DatasetFile[];
  /** Documents looked at, and how many were left out for what. */
  readonly cleaning?: { readonly documents: number; readonly dropped: Readonly<Record<string, number>> };
  /** Of training documents laid by best fit; without it they follow each other as they came. */
  readonly packing?: PackingCounts;
}

export interface PreparedDataset extends Omit<DatasetManifest, 'format' | 'tokenizerDigest'> {
  readonly directory: string;
  readonly tokenizer: Tokenizer;
  /** sha256 of the manifest: equal digests mean equal tokens in equal order. */
  readonly manifestDigest: string;
}

export const sha256 = (bytes: string | Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex');

/** Opens what `prepareDataset` wrote; undefined when there is no committed manifest. */
export async function openDataset(directory: string): Promise<PreparedDataset | undefined> {
  const text = await readFile(join(directory, 'manifest.json'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const manifest = JSON.parse(text) as DatasetManifest;
    if (manifest.format !== 'gantry-tokens/3') throw new TypeError('the format is another one');
    const tokenizerText = await readFile(join(directory, 'tokenizer.json'), 'utf8');
    if (sha256(tokenizerText) !== manifest.tokenizerDigest)
      throw new TypeError('the tokenizer is another one');
    return toPrepared(directory, manifest, tokenizerFromJson(JSON.parse(tokenizerText)), sha256(text));
  } catch (cause) {
    throw new DataError(
      'data_corrupt',
      `The prepared data in ${directory} is damaged.`,
      'Remove the folder; it is made again from the text.',
      cause,
    );
  }
}

export function toPrepared(
  directory: string,
  manifest: DatasetManifest,
  tokenizer: Tokenizer,
  manifestDigest: string,
): PreparedDataset {
  const { format: _format, tokenizerDigest: _digest, ...rest } = manifest;
  const resolve = (split: DatasetSplit): DatasetSplit => ({
    ...split,
    shards: split.shards.map((shard) => {
      if (isAbsolute(shard.path) || shard.path.includes('..'))
        throw new TypeError(`shard path ${shard.path}`);
      return { ...shard, path: join(directory, shard.path) };
    }),
  });
  return {
    ...rest,
    train: resolve(manifest.train),
    validation: resolve(manifest.validation),
    directory,
    tokenizer,
    manifestDigest,
  };
}
