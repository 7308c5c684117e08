/**
 * Which prefixes of S3 lie on this node: what was fetched of them is written down, so that the next server knows it,
 * and a prefix is told of only while at least half of its bytes are in the cache.
 */
import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import type { ObjectCache } from '@gantry/blobs/s3';

/** What is told to the scheduler: more would not fit into a snapshot that is kept. */
const mostPrefixes = 200;
/** Of prefixes with more objects their largest stand for all. */
const mostObjects = 1_000;

/** Names in the cache, and bytes. */
type Objects = readonly (readonly [id: string, bytes: number])[];

export class LyingPrefixes {
  readonly #file: string;
  readonly #cache: Pick<ObjectCache, 'has' | 'changes'>;
  readonly #objects: Map<string, Objects>;
  #told: { readonly changes: number; readonly keys: readonly string[] } | undefined;
  #written: Promise<void> = Promise.resolve();

  constructor(file: string, cache: Pick<ObjectCache, 'has' | 'changes'>) {
    this.#file = file;
    this.#cache = cache;
    this.#objects = new Map(readBook(file));
  }

  /** Resolves once it is written down; a book that cannot be written is only forgotten by the next server. */
  note(key: string, objects: Objects): Promise<void> {
    this.#objects.delete(key);
    this.#objects.set(key, objects.toSorted(([, one], [, other]) => other - one).slice(0, mostObjects));
    const [oldest] = this.#objects.keys();
    if (this.#objects.size > mostPrefixes && oldest !== undefined) this.#objects.delete(oldest);
    this.#told = undefined;
    this.#written = this.#written.then(() => this.#write()).catch(() => undefined);
    return this.#written;
  }

  /** The newest last. */
  here(): readonly string[] {
    const { changes } = this.#cache;
    if (this.#told?.changes !== changes)
      this.#told = {
        changes,
        keys: [...this.#objects].filter(([, objects]) => this.#isHere(objects)).map(([key]) => key),
      };
    return this.#told.keys;
  }

  #isHere(objects: Objects): boolean {
    let [all, here] = [0, 0];
    for (const [id, bytes] of objects) {
      all += bytes;
      if (this.#cache.has(id)) here += bytes;
    }
    return here > 0 && here >= all / 2;
  }

  async #write(): Promise<void> {
    await writeFile(`${this.#file}.tmp`, JSON.stringify([...this.#objects]), { mode: 0o600 });
    await rename(`${this.#file}.tmp`, this.#file);
  }
}

/** Nothing when it is not there, or not ours. */
function readBook(file: string): readonly (readonly [string, Objects])[] {
  try {
    const book: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return Array.isArray(book) ? book.filter(isEntry) : [];
  } catch {
    return [];
  }
}

const isEntry = (entry: unknown): entry is readonly [string, Objects] =>
  Array.isArray(entry) &&
  typeof entry[0] === 'string' &&
  Array.isArray(entry[1]) &&
  entry[1].every(
    (object) => Array.isArray(object) && typeof object[0] === 'string' && typeof object[1] === 'number',
  );
