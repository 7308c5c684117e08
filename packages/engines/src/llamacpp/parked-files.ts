/**
 * The slower tier of llama.cpp's K/V memory: lanes that had to leave it, as files of llama.cpp's own form; the page cache
 * of the machine is their tier in memory. A file holds a whole lane and goes with the last slot that is found in it, or
 * when there is no room left; one that cannot be written or read fails nobody: the prefix is computed again.
 */
import { mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { GgufHeader } from '@gantry/formats';
import type { NativeContext } from './native.ts';

export interface ParkingOptions {
  /** A folder of the engine's own is made in it, and goes with the engine. */
  readonly folder: string;
  readonly bytes: number;
}

interface ParkedFile {
  readonly path: string;
  readonly slots: Set<number>;
  readonly bytes: number;
}

export class ParkedFiles implements AsyncDisposable {
  readonly #folder: string;
  readonly #mostBytes: number;
  readonly #context: NativeContext;
  readonly #contextTokens: number;
  /** Oldest first. */
  readonly #files = new Set<ParkedFile>();
  readonly #fileOf = new Map<number, ParkedFile>();
  #written = 0;

  private constructor(folder: string, mostBytes: number, context: NativeContext, contextTokens: number) {
    this.#folder = folder;
    this.#mostBytes = mostBytes;
    this.#context = context;
    this.#contextTokens = contextTokens;
  }

  static async open(
    options: ParkingOptions,
    context: NativeContext,
    contextTokens: number,
  ): Promise<ParkedFiles> {
    await mkdir(options.folder, { recursive: true });
    const folder = await mkdtemp(join(options.folder, 'prefixes-'));
    return new ParkedFiles(folder, options.bytes, context, contextTokens);
  }

  /** Writes the first `tokens` of the lane. Answers the slots of older files that had to make room. */
  async park(lane: number, slots: readonly number[], tokens: number): Promise<readonly number[]> {
    for (const slot of slots) await this.#leave(slot);
    const path = join(this.#folder, `${this.#written++}.kv`);
    // What the tokens are is the block manager's to know; their number is checked when they come back.
    await this.#context
      .saveSequenceStateToFile(path, lane, new Uint32Array(tokens))
      .catch(async (cause: unknown) => {
        await rm(path, { force: true });
        throw cause;
      });
    const file = { path, slots: new Set(slots), bytes: (await stat(path)).size };
    this.#files.add(file);
    for (const slot of slots) this.#fileOf.set(slot, file);
    const dropped: number[] = [];
    let bytes = [...this.#files].reduce((sum, one) => sum + one.bytes, 0);
    for (const oldest of this.#files) {
      if (bytes <= this.#mostBytes) break;
      bytes -= oldest.bytes;
      dropped.push(...oldest.slots);
      for (const slot of oldest.slots) await this.#leave(slot);
    }
    return dropped;
  }

  /** The lane holds the first `tokens` of what was parked with the slot, and nothing else. */
  async restore(slot: number, lane: number, tokens: number): Promise<void> {
    const file = this.#fileOf.get(slot);
    if (file === undefined) throw new Error('it is not in the tier');
    this.#context.removeTokenCellsFromSequence(lane, 0, -1);
    const read = await this.#context.loadSequenceStateFromFile(file.path, lane, this.#contextTokens);
    if (read.length < tokens) throw new Error(`${read.length} tokens of ${tokens} came back`);
    this.#context.removeTokenCellsFromSequence(lane, tokens, -1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #leave(slot: number): Promise<void> {
    const file = this.#fileOf.get(slot);
    if (file === undefined) return;
    this.#fileOf.delete(slot);
    file.slots.delete(slot);
    if (file.slots.size > 0) return;
    this.#files.delete(file);
    await rm(file.path, { force: true });
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
