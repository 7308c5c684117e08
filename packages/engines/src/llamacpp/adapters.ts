/**
 * LoRA adapters of one model (Hu et al. 2021): loaded once, chosen by each request. What one adapter computed is never
 * read by another: they name a scope of their own in the prefix cache.
 */
import { EngineError } from '../engine-error.ts';
import { noAdapter } from '../no-adapter.ts';
import { checkModelFile } from './check-model-file.ts';
import type { NativeAdapter, NativeParts } from './native.ts';

export interface AdapterOptions {
  /** As requests name it. */
  readonly name: string;
  /** A GGUF adapter of the same architecture. */
  readonly path: string;
  /** How strongly it acts; default 1. */
  readonly scale?: number;
}

interface Loaded {
  readonly native: NativeAdapter;
  readonly scale: number;
}

export class Adapters implements AsyncDisposable {
  readonly #native: NativeParts;
  readonly #loaded = new Map<string, Loaded>();
  /** Whose weights the next pass adds. */
  #current: string | undefined;

  constructor(native: NativeParts) {
    this.#native = native;
  }

  get names(): readonly string[] {
    return [...this.#loaded.keys()];
  }

  async load({ name, path, scale = 1 }: AdapterOptions): Promise<void> {
    const { metadata } = await checkModelFile(path);
    const kind = metadata.get('general.type');
    try {
      if (kind?.type !== 'string' || kind.value !== 'adapter') throw new Error('it is no adapter');
      this.#loaded.set(name, { native: await this.#native.loadAdapter(path), scale });
    } catch (cause) {
      throw new EngineError('model_invalid', `The adapter ${name} cannot be loaded.`, {
        hint: 'Give a LoRA of this model as GGUF.',
        cause,
      });
    }
  }

  /** Throws what the caller should know when there is no such adapter. */
  check(name: string | undefined): void {
    if (name !== undefined && !this.#loaded.has(name)) throw noAdapter(name, this.names);
  }

  /** The next pass is computed with this adapter; undefined: with none. */
  use(name: string | undefined): void {
    if (name === this.#current) return;
    const one = name === undefined ? undefined : this.#loaded.get(name);
    this.#native.context.setLoras(
      one === undefined ? [] : [one.native],
      one === undefined ? [] : [one.scale],
    );
    this.#current = name;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.use(undefined);
    for (const { native } of this.#loaded.values()) await native.dispose();
    this.#loaded.clear();
  }
}
