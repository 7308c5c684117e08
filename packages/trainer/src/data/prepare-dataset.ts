/**
 * Text → tokens: find the files, learn the tokenizer on the training side, pack both sides into shards,
 * commit by manifest. The same files and options give the same bytes. Files are read twice (to learn, to
 * encode) and a file whose bytes differ the second time is an error, never a silent mixture.
 */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  bigramLoss,
  chooseValidationFiles,
  cutTail,
  documentsOf,
  type TokenArray,
} from '@gantry/training/data';
import { trainBpe, type Tokenizer } from '@gantry/training/tokenizer';
import { DataError } from './data-error.ts';
import {
  sha256,
  toPrepared,
  type DatasetFile,
  type DatasetManifest,
  type DatasetSplit,
  type PreparedDataset,
} from './dataset-manifest.ts';
import { findFiles, type FoundFile } from './find-files.ts';
import { packTokens, writeShard, type TokenShard } from './token-shard.ts';
import { writeAside } from './write-aside.ts';

export interface PrepareDatasetOptions {
  /** Files, folders and globs, relative to `cwd`. */
  readonly patterns: readonly string[];
  readonly cwd: string;
  readonly outDir: string;
  readonly vocabularySize: number;
  readonly sequenceLength: number;
  readonly validationFraction: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
  /** Called before each phase. */
  readonly onPhase?: (phase: 'inspect' | 'learn' | 'encode' | 'write') => void;
}

/** The tokenizer learns from at most this much text; more changes the merges little and costs time. */
const tokenizerTextLimit = 32 * 1024 * 1024;
const shardTokens = 16 * 1024 * 1024;
/** A file is read whole; larger ones belong split. */
const fileLimitBytes = 512 * 1024 * 1024;

interface UsedFile extends FoundFile {
  readonly digest: string;
  readonly bytes: number;
}

interface Documents {
  readonly train: readonly string[];
  readonly validation: readonly string[];
}

export async function prepareDataset(options: PrepareDatasetOptions): Promise<PreparedDataset> {
  options.onPhase?.('inspect');
  const { files, used } = await inspectFiles(options);
  const heldOut = chooseValidationFiles(used, options);
  const splitOf = (file: UsedFile, documents: readonly string[]): Documents => {
    if (used.length > 1 || options.validationFraction <= 0) {
      return heldOut.has(file.path)
        ? { train: [], validation: documents }
        : { train: documents, validation: [] };
    }
    return splitSingleFile(documents, options.validationFraction);
  };

  options.onPhase?.('learn');
  const tokenizer = await learnTokenizer(used, splitOf, options);
  options.onPhase?.('encode');
  const ids: Record<'train' | 'validation', number[][]> = { train: [[]], validation: [[]] };
  for (const file of used) {
    options.signal?.throwIfAborted();
    const documents = splitOf(file, await readAgain(file));
    for (const side of ['train', 'validation'] as const) {
      for (const document of documents[side]) appendDocument(ids[side], tokenizer, document);
    }
  }

  const dtype = tokenizer.vocabularySize <= 0x1_0000 ? 'u16' : 'u32';
  const packed = {
    train: ids.train.filter(({ length }) => length > 0).map((shard) => packTokens(shard, dtype)),
    validation: ids.validation.filter(({ length }) => length > 0).map((shard) => packTokens(shard, dtype)),
  };
  requireLength('training', packed.train, options.sequenceLength);
  if (options.validationFraction > 0) requireLength('validation', packed.validation, options.sequenceLength);

  options.onPhase?.('write');
  await mkdir(options.outDir, { recursive: true });
  await rm(join(options.outDir, 'manifest.json'), { force: true });
  const tokenizerText = `${JSON.stringify(tokenizer.toJson())}\n`;
  await writeAside(join(options.outDir, 'tokenizer.json'), tokenizerText);
  const manifest: DatasetManifest = {
    format: 'gantry-tokens/2',
    vocabularySize: tokenizer.vocabularySize,
    eosId: tokenizer.eosId,
    sequenceLength: options.sequenceLength,
    seed: options.seed,
    validationFraction: options.validationFraction,
    tokenizerDigest: sha256(tokenizerText),
    bigramLoss: bigramLoss(packed.train, packed.validation, tokenizer.vocabularySize),
    train: await writeSplit(options.outDir, packed.train),
    validation: await writeSplit(options.outDir, packed.validation),
    files: files.map((file) => ({ ...file, use: useOf(file, heldOut, used.length) })),
  };
  const manifestText = `${JSON.stringify(manifest, undefined, 2)}\n`;
  await writeAside(join(options.outDir, 'manifest.json'), manifestText);
  return toPrepared(options.outDir, manifest, tokenizer, sha256(manifestText));
}

async function inspectFiles(
  options: PrepareDatasetOptions,
): Promise<{ readonly files: readonly DatasetFile[]; readonly used: readonly UsedFile[] }> {
  const files: DatasetFile[] = [];
  const used: UsedFile[] = [];
  const seen = new Set<string>();
  for (const file of await findFiles(options.patterns, options.cwd)) {
    options.signal?.throwIfAborted();
    const bytes = await readBytes(file);
    const digest = sha256(bytes);
    const row = { path: file.path, bytes: bytes.byteLength, digest };
    const result = documentsOf(file.path, bytes);
    if (result.kind === 'invalid') {
      throw new DataError(
        'data_invalid',
        `${file.path}:${result.line}: ${result.reason}.`,
        'Each line is a JSON object with a "text" field, or a JSON string.',
      );
    }
    if (result.kind === 'binary') files.push({ ...row, use: 'skipped', reason: 'binary' });
    else if (result.documents.length === 0) files.push({ ...row, use: 'skipped', reason: 'empty' });
    else if (seen.has(digest)) files.push({ ...row, use: 'skipped', reason: 'duplicate' });
    else {
      seen.add(digest);
      files.push({ ...row, use: 'train' });
      used.push({ ...file, digest, bytes: bytes.byteLength });
    }
  }
  if (used.length === 0) {
    const isBinary = files.some(({ reason }) => reason === 'binary');
    const names = files.slice(0, 3).map(({ path }) => path);
    throw new DataError(
      isBinary ? 'data_binary' : 'data_empty',
      `None of the ${files.length} matching files holds text (${names.join(', ')}).`,
      isBinary ? 'Give UTF-8 text or JSON Lines.' : 'The files are empty; check that the data was written.',
    );
  }
  return { files, used };
}

async function readBytes(file: FoundFile): Promise<Uint8Array> {
  const bytes = await readFile(file.absolutePath).catch((cause: unknown) => {
    throw new DataError('data_missing', `${file.path} cannot be read.`, 'Check its permissions.', cause);
  });
  if (bytes.byteLength > fileLimitBytes) {
    throw new DataError(
      'data_invalid',
      `${file.path} is larger than 512 MiB.`,
      'Split it into smaller files.',
    );
  }
  return bytes;
}

async function readAgain(file: UsedFile): Promise<readonly string[]> {
  const bytes = await readBytes(file);
  if (sha256(bytes) !== file.digest) {
    throw new DataError(
      'data_changed',
      `${file.path} changed while it was being prepared.`,
      'Train on a copy, or wait until the writer of the file has finished.',
    );
  }
  const result = documentsOf(file.path, bytes);
  return result.kind === 'documents' ? result.documents : [];
}

async function learnTokenizer(
  used: readonly UsedFile[],
  splitOf: (file: UsedFile, documents: readonly string[]) => Documents,
  options: PrepareDatasetOptions,
): Promise<Tokenizer> {
  const texts: string[] = [];
  let length = 0;
  for (const file of used) {
    options.signal?.throwIfAborted();
    if (length >= tokenizerTextLimit) break;
    for (const document of splitOf(file, await readAgain(file)).train) {
      texts.push(document.slice(0, tokenizerTextLimit - length));
      length += document.length;
      if (length >= tokenizerTextLimit) break;
    }
  }
  return trainBpe(texts, { vocabularySize: options.vocabularySize });
}

function splitSingleFile(documents: readonly string[], fraction: number): Documents {
  if (documents.length === 1) {
    const [head, tail] = cutTail(documents[0] as string, fraction);
    return { train: [head], validation: [tail] };
  }
  const cut = Math.min(documents.length - 1, Math.ceil(documents.length * (1 - fraction)));
  return { train: documents.slice(0, cut), validation: documents.slice(cut) };
}

/** A document begins with end-of-text: it separates documents and is the first token a model sees. */
function appendDocument(shards: number[][], tokenizer: Tokenizer, document: string): void {
  let shard = shards.at(-1) as number[];
  if (shard.length >= shardTokens) {
    shard = [];
    shards.push(shard);
  }
  shard.push(tokenizer.eosId);
  for (const id of tokenizer.encode(document)) shard.push(id);
}

function requireLength(side: string, shards: readonly TokenArray[], sequenceLength: number): void {
  const longest = Math.max(0, ...shards.map(({ length }) => length));
  if (longest > sequenceLength) return;
  throw new DataError(
    'data_too_short',
    `The ${side} data has ${longest} tokens, fewer than one sequence of ${sequenceLength} and its next token.`,
    side === 'training'
      ? 'Add text or set a smaller sequenceLength.'
      : 'Add text, raise validationFraction or set a smaller sequenceLength.',
  );
}

async function writeSplit(outDir: string, packed: readonly TokenArray[]): Promise<DatasetSplit> {
  const shards: TokenShard[] = [];
  for (const tokens of packed) shards.push(await writeShard(outDir, tokens));
  return { tokens: packed.reduce((sum, { length }) => sum + length, 0), shards };
}

function useOf(file: DatasetFile, heldOut: ReadonlySet<string>, usedFiles: number): DatasetFile['use'] {
  if (file.use === 'skipped') return 'skipped';
  if (usedFiles === 1) return 'both';
  return heldOut.has(file.path) ? 'validation' : 'train';
}
