/**
 * Prefixes that had to leave the K/V memory, as files of llama.cpp's own form; the page cache of the machine is their
 * tier in memory. A file that cannot be written or read fails nobody: the prefix is computed again.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { GgufHeader } from '@gantry/formats';
import type { NativeContext } from './native.ts';

export interface ParkingOptions {
  /** A folder of the engine's own is made in it, and goes with the engine. */
  readonly folder: string;
  readonly bytes: number;
}

export class ParkedFiles implements AsyncDisposable {
  readonly #folder: string;
  readonly #context: NativeContext;
  readonly #contextTokens: number;

  private constructor(folder: string, context: NativeContext, contextTokens: number) {
    this.#folder = folder;
    this.#context = context;
    this.#contextTokens = contextTokens;
  }

  static async open(folder: string, context: NativeContext, contextTokens: number): Promise<ParkedFiles> {
    await mkdir(folder, { recursive: true });
    return new ParkedFiles(await mkdtemp(join(folder, 'prefixes-')), context, contextTokens);
  }

  async park(
    slot: number,
    place: number,
    tokens: readonly number[],
    dropped: readonly number[],
  ): Promise<void> {
    for (const old of dropped) await rm(this.#path(old), { force: true });
    await this.#context.saveSequenceStateToFile(this.#path(place), slot, Uint32Array.from(tokens));
  }

  /** The slot holds the first `tokens` of it and nothing else. */
  async restore(place: number, slot: number, tokens: number): Promise<void> {
    this.#context.removeTokenCellsFromSequence(slot, 0, -1);
    const read = await this.#context.loadSequenceStateFromFile(this.#path(place), slot, this.#contextTokens);
    if (read.length < tokens) throw new Error(`${read.length} tokens of ${tokens} came back`);
    this.#context.removeTokenCellsFromSequence(slot, tokens, -1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  #path(place: number): string {
    return join(this.#folder, `${place}.kv`);
  }
}

/** Keys and values of a token in half precision; undefined when the header does not say. */
export function kvBytesPerToken({ metadata }: GgufHeader): number | undefined {
  const architecture = metadata.get('general.architecture');
  if (architecture?.type !== 'string') return undefined;
  const count = (name: string): number | undefined => {
    const value = metadata.get(`${architecture.value}.${name}`);
    return value?.type === 'u32' ? value.value : undefined;
  };
  const [layers, heads, width] = [
    count('block_count'),
    count('attention.head_count'),
    count('embedding_length'),
  ];
  if (layers === undefined || heads === undefined || width === undefined) return undefined;
  const each = width / heads;
  const perHead = (count('attention.key_length') ?? each) + (count('attention.value_length') ?? each);
  return layers * (count('attention.head_count_kv') ?? heads) * perHead * 2;
}
