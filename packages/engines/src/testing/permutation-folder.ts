/** The permutation model in a folder, as the paged engine reads it, and engines over it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LlmEngine } from '../llm-engine.ts';
import { createPagedEngine, type PagedEngineOptions } from '../paged/paged-engine.ts';
import { writePermutationFolder } from './permutation-model.ts';

/** Bytes of a block of 16 tokens of the fixture: 2 layers, 2 groups of width 16, keys and values. */
export const permutationBlockBytes = 2 * 2 * 2 * 16 * 16 * 4;

export interface PermutationFolder extends AsyncDisposable {
  readonly folder: string;
  /** As it is without further options. */
  readonly engine: LlmEngine;
  /** Whoever opens one disposes of it. */
  readonly open: (options?: Partial<PagedEngineOptions>) => Promise<LlmEngine>;
}

export async function openPermutationFolder(): Promise<PermutationFolder> {
  const folder = await mkdtemp(join(tmpdir(), 'gantry-paged-'));
  await writePermutationFolder(folder);
  const open: PermutationFolder['open'] = (options = {}) =>
    createPagedEngine({ folder, slots: 4, threads: 1, stepTokens: 64, prefillTokens: 16, ...options });
  const engine = await open();
  return {
    folder,
    engine,
    open,
    [Symbol.asyncDispose]: async () => {
      await engine[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
