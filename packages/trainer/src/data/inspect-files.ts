/**
 * What is in the files that were named: whether each is text, whether it was seen before, which of its documents
 * are worth learning from. Nothing is kept of the texts; who needs them reads them again and says when they changed.
 */
import { countOf } from '@gantry/kit';
import { documentsOf } from '@gantry/training/data';
import { DocumentCleaner, type CleaningOptions, type DropReason } from '@gantry/training/cleaning';
import { DataError } from './data-error.ts';
import { sha256, type DatasetFile } from './dataset-manifest.ts';
import { findFiles, type FoundFile } from './find-files.ts';
import { readTextFile } from './read-text-file.ts';

export interface DataSource {
  readonly name: string;
  /** Files, folders and globs. */
  readonly patterns: readonly string[];
  /** Of its sequences in training, relative to the other sources. */
  readonly weight: number;
}

export interface UsedFile extends FoundFile {
  readonly digest: string;
  readonly bytes: number;
  readonly source: number;
  /** By document; undefined: all are used. */
  readonly isKept: readonly boolean[] | undefined;
}

export interface DroppedDocument {
  readonly path: string;
  /** Counts from 1 within its file. */
  readonly document: number;
  readonly reason: DropReason;
  readonly detail: string;
}

export interface InspectedFiles {
  readonly files: readonly DatasetFile[];
  readonly used: readonly UsedFile[];
  readonly dropped: readonly DroppedDocument[];
  readonly documents: number;
}

export interface CleaningPlan extends Omit<CleaningOptions, 'heldOut'> {
  /** Files, folders and globs of examinations. */
  readonly heldOut: readonly string[];
}

export interface InspectOptions {
  readonly sources: readonly DataSource[];
  readonly cleaning: CleaningPlan | undefined;
  readonly cwd: string;
  readonly signal?: AbortSignal;
}

export async function inspectFiles(options: InspectOptions): Promise<InspectedFiles> {
  const { sources, cleaning, cwd } = options;
  const cleaner = cleaning === undefined ? undefined : await openCleaner(cleaning, cwd);
  const files: DatasetFile[] = [];
  const used: UsedFile[] = [];
  const dropped: DroppedDocument[] = [];
  const paths = new Set<string>();
  const digests = new Set<string>();
  let documents = 0;
  for (const [source, { patterns }] of sources.entries()) {
    for (const file of await findFiles(patterns, cwd)) {
      options.signal?.throwIfAborted();
      // Of a file that two sources name, the first one has it.
      if (paths.has(file.absolutePath)) continue;
      paths.add(file.absolutePath);
      const bytes = await readTextFile(file);
      const digest = sha256(bytes);
      const row = { path: file.path, bytes: bytes.byteLength, digest };
      const skip = (reason: NonNullable<DatasetFile['reason']>): number =>
        files.push({ ...row, use: 'skipped', reason });
      const found = textsOf(file, bytes);
      if (found === undefined) skip('binary');
      else if (found.length === 0) skip('empty');
      else if (digests.has(digest)) skip('duplicate');
      else {
        digests.add(digest);
        documents += found.length;
        const isKept = cleaner === undefined ? undefined : judgeAll(cleaner, file, found, dropped);
        if (isKept?.includes(true) === false) {
          skip('cleaned');
          continue;
        }
        files.push({ ...row, use: 'train' });
        used.push({ ...file, digest, bytes: bytes.byteLength, source, isKept });
      }
    }
  }
  if (used.length === 0) throw nothingUsed(files);
  return { files, used, dropped, documents };
}

/** Undefined for a binary file. */
function textsOf(file: FoundFile, bytes: Uint8Array): readonly string[] | undefined {
  const result = documentsOf(file.path, bytes);
  if (result.kind === 'invalid') {
    throw new DataError(
      'data_invalid',
      `${file.path}:${result.line}: ${result.reason}.`,
      'Each line is a JSON object with a "text" field, or a JSON string.',
    );
  }
  return result.kind === 'binary' ? undefined : result.documents;
}

async function openCleaner({ heldOut, ...options }: CleaningPlan, cwd: string): Promise<DocumentCleaner> {
  const texts: string[] = [];
  for (const file of heldOut.length === 0 ? [] : await findFiles(heldOut, cwd))
    texts.push(...(textsOf(file, await readTextFile(file)) ?? []));
  return new DocumentCleaner({ ...options, heldOut: texts });
}

function judgeAll(
  cleaner: DocumentCleaner,
  { path }: FoundFile,
  texts: readonly string[],
  dropped: DroppedDocument[],
): boolean[] {
  return texts.map((text, index) => {
    const verdict = cleaner.judge(text);
    if (verdict.kind === 'kept') return true;
    dropped.push({ path, document: index + 1, reason: verdict.reason, detail: verdict.detail });
    return false;
  });
}

function nothingUsed(files: readonly DatasetFile[]): DataError {
  const names = files
    .slice(0, 3)
    .map(({ path }) => path)
    .join(', ');
  if (files.some(({ reason }) => reason === 'cleaned')) {
    return new DataError(
      'data_empty',
      `Cleaning leaves nothing of what matches: ${countOf(files.length, 'file')} (${names}).`,
      'Loosen train.clean; dropped.jsonl beside the prepared data says why each document was left out.',
    );
  }
  const isBinary = files.some(({ reason }) => reason === 'binary');
  return new DataError(
    isBinary ? 'data_binary' : 'data_empty',
    `Nothing that matches holds text: ${countOf(files.length, 'file')} (${names}).`,
    isBinary ? 'Give UTF-8 text or JSON Lines.' : 'The files are empty; check that the data was written.',
  );
}
