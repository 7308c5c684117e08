/**
 * Text → tokens: find and clean the documents, learn the tokenizer on the training side, pack both sides into
 * shards, commit by manifest. The same files and options give the same bytes. Files are read twice (to learn, to
 * encode) and a file whose bytes differ the second time is an error, never a silent mixture.
 */
import { mkdir, rm } from 'node:fs/promises';
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
  type DatasetSource,
  type DatasetSplit,
  type PreparedDataset,
} from './dataset-manifest.ts';
import { DocumentShards, type Packing, type PackingCounts } from './document-shards.ts';
import { inspectFiles, type InspectedFiles, type InspectOptions, type UsedFile } from './inspect-files.ts';
import { readTextFile } from './read-text-file.ts';
import { packTokens, writeShard, type TokenShard } from './token-shard.ts';
import { writeAside } from './write-aside.ts';

export interface PrepareDatasetOptions extends InspectOptions {
  readonly outDir: string;
  readonly vocabularySize: number;
  readonly sequenceLength: number;
  /** How documents follow each other: as they come unless given. */
  readonly packing?: Packing;
  /** Of a shard, at least, but of the last. */
  readonly shardTokens?: number | undefined;
  readonly validationFraction: number;
  readonly seed: number;
  /** Called before each phase. */
  readonly onPhase?: (phase: 'inspect' | 'learn' | 'encode' | 'write') => void;
}

/** The tokenizer learns from at most this much text; more changes the merges little and costs time. */
const tokenizerTextLimit = 32 * 1024 * 1024;

interface Documents {
  readonly train: readonly string[];
  readonly validation: readonly string[];
}

export async function prepareDataset(options: PrepareDatasetOptions): Promise<PreparedDataset> {
  const { sources, sequenceLength, validationFraction, outDir } = options;
  options.onPhase?.('inspect');
  const inspected = await inspectFiles(options);
  const { files, used } = inspected;
  const uses = usesOf(used, options);
  const splitOf = (file: UsedFile, documents: readonly string[]): Documents =>
    splitDocuments(documents, uses.get(file.path) ?? 'train', validationFraction);

  options.onPhase?.('learn');
  const tokenizer = await learnTokenizer(used, splitOf, options);
  options.onPhase?.('encode');
  const { packing = 'in-order' } = options;
  const shardsFor = (): DocumentShards => new DocumentShards(packing, sequenceLength, options.shardTokens);
  const shards = { train: sources.map(shardsFor), validation: shardsFor() };
  for (const file of used) {
    options.signal?.throwIfAborted();
    const { train, validation } = splitOf(file, await readAgain(file));
    for (const document of train) shards.train[file.source]?.add(idsOf(document, tokenizer));
    for (const document of validation) shards.validation.add(idsOf(document, tokenizer));
  }

  const dtype = tokenizer.vocabularySize <= 0x1_0000 ? 'u16' : 'u32';
  const pack = (documents: DocumentShards): TokenArray[] =>
    documents.finish().map((shard) => packTokens(shard, dtype));
  const train = shards.train.map(pack);
  const validation = pack(shards.validation);
  for (const [index, { name }] of sources.entries())
    requireLength(
      sources.length === 1 ? 'training data' : `training data of ${name}`,
      train[index] ?? [],
      sequenceLength,
    );
  if (validationFraction > 0) requireLength('validation data', validation, sequenceLength);

  options.onPhase?.('write');
  await mkdir(outDir, { recursive: true });
  await rm(join(outDir, 'manifest.json'), { force: true });
  const tokenizerText = `${JSON.stringify(tokenizer.toJson())}\n`;
  await writeAside(join(outDir, 'tokenizer.json'), tokenizerText);
  const manifest: DatasetManifest = {
    format: 'gantry-tokens/3',
    vocabularySize: tokenizer.vocabularySize,
    eosId: tokenizer.eosId,
    sequenceLength,
    seed: options.seed,
    validationFraction,
    tokenizerDigest: sha256(tokenizerText),
    bigramLoss: bigramLoss(train.flat(), validation, tokenizer.vocabularySize),
    sources: sources.map(({ name, weight }, index): DatasetSource => ({
      name,
      weight,
      tokens: tokensOf(train[index] ?? []),
      shards: train[index]?.length ?? 0,
    })),
    train: await writeSplit(outDir, train.flat()),
    validation: await writeSplit(outDir, validation),
    files: files.map((file) => ({ ...file, use: uses.get(file.path) ?? file.use })),
    ...(await reportCleaning(outDir, inspected, options)),
    ...(packing === 'in-order' ? {} : { packing: totalOf(shards.train) }),
  };
  const manifestText = `${JSON.stringify(manifest, undefined, 2)}\n`;
  await writeAside(join(outDir, 'manifest.json'), manifestText);
  return toPrepared(outDir, manifest, tokenizer, sha256(manifestText));
}

/** Each source holds out its part: whole files, or of a single file its end. */
function usesOf(
  used: readonly UsedFile[],
  options: PrepareDatasetOptions,
): ReadonlyMap<string, Exclude<DatasetFile['use'], 'skipped'>> {
  const uses = new Map<string, Exclude<DatasetFile['use'], 'skipped'>>();
  for (const source of options.sources.keys()) {
    const own = used.filter((file) => file.source === source);
    const heldOut = chooseValidationFiles(own, options);
    const isCut = own.length === 1 && options.validationFraction > 0;
    for (const { path } of own) uses.set(path, isCut ? 'both' : heldOut.has(path) ? 'validation' : 'train');
  }
  return uses;
}

function splitDocuments(documents: readonly string[], use: DatasetFile['use'], fraction: number): Documents {
  if (use === 'validation') return { train: [], validation: documents };
  if (use !== 'both') return { train: documents, validation: [] };
  if (documents.length === 1) {
    const [head, tail] = cutTail(documents[0] as string, fraction);
    return { train: [head], validation: [tail] };
  }
  const cut = Math.min(documents.length - 1, Math.ceil(documents.length * (1 - fraction)));
  return { train: documents.slice(0, cut), validation: documents.slice(cut) };
}

async function readAgain(file: UsedFile): Promise<readonly string[]> {
  const bytes = await readTextFile(file);
  if (sha256(bytes) !== file.digest) {
    throw new DataError(
      'data_changed',
      `${file.path} changed while it was being prepared.`,
      'Train on a copy, or wait until the writer of the file has finished.',
    );
  }
  const result = documentsOf(file.path, bytes);
  const documents = result.kind === 'documents' ? result.documents : [];
  const { isKept } = file;
  return isKept === undefined ? documents : documents.filter((_, index) => isKept[index] === true);
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

/** A document begins with end-of-text: it separates documents and is the first token a model sees. */
function idsOf(document: string, tokenizer: Tokenizer): readonly number[] {
  const ids = [tokenizer.eosId];
  for (const id of tokenizer.encode(document)) ids.push(id);
  return ids;
}

function totalOf(shards: readonly DocumentShards[]): PackingCounts {
  let total: PackingCounts = { documents: 0, cut: 0, cutInOrder: 0 };
  for (const { counts } of shards)
    total = {
      documents: total.documents + counts.documents,
      cut: total.cut + counts.cut,
      cutInOrder: total.cutInOrder + counts.cutInOrder,
    };
  return total;
}

function requireLength(what: string, shards: readonly TokenArray[], sequenceLength: number): void {
  const longest = Math.max(0, ...shards.map(({ length }) => length));
  if (longest > sequenceLength) return;
  throw new DataError(
    'data_too_short',
    `The ${what} has ${longest} tokens, fewer than one sequence of ${sequenceLength} and its next token.`,
    what === 'validation data'
      ? 'Add text, raise validationFraction or set a smaller sequenceLength.'
      : 'Add text or set a smaller sequenceLength.',
  );
}

async function writeSplit(outDir: string, packed: readonly TokenArray[]): Promise<DatasetSplit> {
  const shards: TokenShard[] = [];
  for (const tokens of packed) shards.push(await writeShard(outDir, tokens));
  return { tokens: tokensOf(packed), shards };
}

function tokensOf(shards: readonly TokenArray[]): number {
  return shards.reduce((sum, { length }) => sum + length, 0);
}

/** What was left out and why: numbers in the manifest, every document in `dropped.jsonl`. */
async function reportCleaning(
  outDir: string,
  { documents, dropped }: InspectedFiles,
  { cleaning }: PrepareDatasetOptions,
): Promise<Pick<DatasetManifest, 'cleaning'>> {
  if (cleaning === undefined) return {};
  const lines = dropped.map((document) => `${JSON.stringify(document)}\n`);
  await writeAside(join(outDir, 'dropped.jsonl'), lines.join(''));
  const counts: Record<string, number> = {};
  for (const { reason } of dropped) counts[reason] = (counts[reason] ?? 0) + 1;
  return { cleaning: { documents, dropped: counts } };
}
