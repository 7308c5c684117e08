/**
 * What a rank owns of moments, and of parameters under ZeRO 3, in a file instead of memory (ZeRO-Infinity,
 * Rajbhandari et al. 2021, §5.2): an update streams through it chunk by chunk, the next one being read and the last
 * one written meanwhile. A checkpoint takes the file as it is: the update after writes to another one. Files are
 * read at positions, for Node maps none (decision 0740); what is read often stays in the page cache.
 */
import { writeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import type { OwnedSpan } from '@gantry/training/parallel';
import type { Arena } from '../memory/index.ts';
import { HeldChunk } from './held-chunk.ts';
import {
  bytesOf,
  type Generation,
  openGeneration,
  readWhole,
  release,
  strideBytes,
  writeWhole,
} from './state-file.ts';

export type OffloadedKind = 'parameters' | 'first' | 'second';

export interface OffloadOptions {
  readonly directory: string;
  readonly rank: number;
  /** In the order in which they lie in the file. */
  readonly kinds: readonly OffloadedKind[];
  /** Elements of a kind that are in memory at one time, of each of `buffers`. */
  readonly chunkElements: number;
  /** One is read into, one is updated, one is written from. */
  readonly buffers: number;
}

/** Elements of all kinds, at `from` to `to` of what the rank owns. */
export type ChunkUpdate = (from: number, to: number, values: readonly Float32Array[]) => void;

/** A file that stays as it is until it is released. */
export interface FrozenState {
  readonly path: string;
  readonly bytes: number;
  /** Where each kind begins, in elements. */
  readonly starts: readonly number[];
  release(): Promise<void>;
}

export class OffloadedState implements AsyncDisposable {
  readonly kinds: readonly OffloadedKind[];
  readonly #options: OffloadOptions;
  readonly #spans: readonly OwnedSpan[];
  readonly #length: number;
  readonly #slots: readonly (readonly Float32Array[])[];
  #current: Generation;
  #number = 0;
  #isFrozen = false;

  private constructor(
    options: OffloadOptions,
    owned: { readonly spans: readonly OwnedSpan[]; readonly length: number },
    arena: Arena,
    first: Generation,
  ) {
    this.#options = options;
    this.kinds = options.kinds;
    this.#spans = owned.spans;
    this.#length = owned.length;
    const elements = Math.min(options.chunkElements, owned.length);
    this.#slots = Array.from({ length: options.buffers }, () =>
      options.kinds.map(() => arena.floats(elements)),
    );
    this.#current = first;
  }

  /** Zeros. */
  static async open(
    options: OffloadOptions,
    owned: { readonly spans: readonly OwnedSpan[]; readonly length: number },
    arena: Arena,
  ): Promise<OffloadedState> {
    await mkdir(options.directory, { recursive: true });
    const bytes = options.kinds.length * strideBytes(owned.length);
    return new OffloadedState(options, owned, arena, await openGeneration(options, 0, bytes));
  }

  /** In memory. */
  get bufferBytes(): number {
    return this.#slots.flat().reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  get fileBytes(): number {
    return this.kinds.length * strideBytes(this.#length);
  }

  /** Where a kind begins in the file, in elements; kinds are whole blocks of a checkpoint. */
  startOf(kind: OffloadedKind): number {
    return (this.#indexOf(kind) * strideBytes(this.#length)) / 4;
  }

  /** Elements [at, at + into.length) of what the rank owns of a kind. */
  async read(kind: OffloadedKind, at: number, into: Float32Array): Promise<void> {
    await readWhole(this.#current.file, bytesOf(into), (this.startOf(kind) + at) * 4);
  }

  /** All that the rank owns of a kind. */
  async readAll(kind: OffloadedKind): Promise<Float32Array> {
    const values = new Float32Array(this.#length);
    await this.read(kind, 0, values);
    return values;
  }

  /** Takes what it holds of the stage's elements [from, from + source.length). Before training, for it waits. */
  write(kind: OffloadedKind, from: number, source: Float32Array): void {
    for (const span of this.#spans) {
      const start = Math.max(from, span.from);
      const end = Math.min(from + source.length, span.to);
      if (start >= end) continue;
      const bytes = bytesOf(source.subarray(start - from, end - from));
      const position = (this.startOf(kind) + span.at + start - span.from) * 4;
      for (let written = 0; written < bytes.length;)
        written += writeSync(
          this.#current.file.fd,
          bytes,
          written,
          bytes.length - written,
          position + written,
        );
    }
  }

  /** Each element once, read and then written back. */
  async update(change: ChunkUpdate): Promise<void> {
    const source = this.#current;
    const target = this.#isFrozen ? await this.#next() : source;
    const chunks = this.#chunks();
    const reading = new Map<number, Promise<void>>();
    const writing = new Map<number, Promise<void>>();
    const slotOf = (chunk: number): readonly Float32Array[] =>
      this.#slots[chunk % this.#slots.length] as readonly Float32Array[];
    const viewsOf = (chunk: number): Float32Array[] => {
      const { from, to } = chunks[chunk] as Chunk;
      return slotOf(chunk).map((values) => values.subarray(0, to - from));
    };
    const start = (chunk: number): void => {
      if (chunk >= chunks.length || reading.has(chunk)) return;
      const before = writing.get(chunk - this.#slots.length) ?? Promise.resolve();
      const read = before.then(() => this.#transfer('read', source, chunks[chunk] as Chunk, viewsOf(chunk)));
      // Whoever waits for it hears of its failure.
      read.catch(() => undefined);
      reading.set(chunk, read);
    };
    try {
      for (let chunk = 0; chunk < chunks.length; chunk += 1) {
        for (let ahead = chunk; ahead < chunk + this.#slots.length - 1 || ahead === chunk; ahead += 1)
          start(ahead);
        await reading.get(chunk);
        const views = viewsOf(chunk);
        const { from, to } = chunks[chunk] as Chunk;
        change(from, to, views);
        const written = this.#transfer('write', target, { from, to }, views);
        written.catch(() => undefined);
        writing.set(chunk, written);
      }
    } finally {
      await Promise.allSettled([...reading.values(), ...writing.values()]);
    }
    await Promise.all(writing.values());
    if (target !== source) {
      this.#current = target;
      this.#isFrozen = false;
      await release(source);
    }
  }

  /** From nothing: what it held is not read. */
  async fill(read: (kind: OffloadedKind, held: HeldChunk) => Promise<void>): Promise<void> {
    if (this.#isFrozen) {
      const before = this.#current;
      this.#current = await this.#next();
      this.#isFrozen = false;
      await release(before);
    }
    for (const kind of this.kinds) {
      for (const { from, to } of this.#chunks()) {
        const values = new Float32Array(to - from);
        await read(kind, new HeldChunk(this.#spans, from, values));
        await writeWhole(this.#current.file, bytesOf(values), (this.startOf(kind) + from) * 4);
      }
    }
  }

  /** All zeros again. */
  async clear(): Promise<void> {
    await this.fill(async () => {});
  }

  /** As it is now, for a checkpoint; training goes on in another file. */
  freeze(): FrozenState {
    this.#isFrozen = true;
    const generation = this.#current;
    generation.users += 1;
    return {
      path: generation.path,
      bytes: this.fileBytes,
      starts: this.kinds.map((kind) => this.startOf(kind)),
      release: () => release(generation),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await release(this.#current);
  }

  #next(): Promise<Generation> {
    this.#number += 1;
    return openGeneration(this.#options, this.#number, this.fileBytes);
  }

  #chunks(): Chunk[] {
    const { chunkElements } = this.#options;
    return Array.from({ length: Math.ceil(this.#length / chunkElements) }, (_, index) => ({
      from: index * chunkElements,
      to: Math.min(this.#length, (index + 1) * chunkElements),
    }));
  }

  #indexOf(kind: OffloadedKind): number {
    const index = this.kinds.indexOf(kind);
    if (index < 0) throw new RangeError(`${kind} is not offloaded`);
    return index;
  }

  async #transfer(
    direction: 'read' | 'write',
    { file }: Generation,
    { from }: Chunk,
    views: readonly Float32Array[],
  ): Promise<void> {
    const move = direction === 'read' ? readWhole : writeWhole;
    const kinds = this.kinds.map((kind) => (this.startOf(kind) + from) * 4);
    await Promise.all(views.map((view, index) => move(file, bytesOf(view), kinds[index] as number)));
  }
}

interface Chunk {
  readonly from: number;
  readonly to: number;
}
