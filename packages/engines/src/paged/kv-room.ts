/** How many blocks of K/V memory an engine may have: in its own memory, and in the two parts of the slower tier. */
import type { LlamaConfig } from '@gantry/formats';
import type { PagedEngineOptions } from './paged-engine.ts';

export interface KvRoom {
  /** Enough for one whole context at least, whatever was asked for. */
  readonly blocks: number;
  readonly memorySlots: number;
  readonly diskSlots: number;
}

/** Without `kvBytes`: for as many sequences of half the context as there are slots. */
export function kvRoom(
  { slots, kvBytes, spillMemoryBytes = 0, spillDiskBytes = 0, spillFolder }: PagedEngineOptions,
  { layers, kvHeads, headWidth }: Pick<LlamaConfig, 'layers' | 'kvHeads' | 'headWidth'>,
  { contextTokens, tokensPerBlock }: { readonly contextTokens: number; readonly tokensPerBlock: number },
): KvRoom {
  // Keys and values in single precision, of all layers.
  const blockBytes = 2 * layers * kvHeads * headWidth * tokensPerBlock * 4;
  const wanted =
    kvBytes === undefined
      ? Math.ceil((slots * contextTokens) / 2 / tokensPerBlock)
      : Math.floor(kvBytes / blockBytes);
  return {
    blocks: Math.max(Math.ceil(contextTokens / tokensPerBlock), wanted),
    memorySlots: Math.floor(spillMemoryBytes / blockBytes),
    diskSlots: spillFolder === undefined ? 0 : Math.floor(spillDiskBytes / blockBytes),
  };
}
