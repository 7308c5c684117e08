/** The paged decoder's guesses: from the text, or from a small GGUF that llama.cpp reads along; opened where it is wanted. */
import type { Speculation, SpeculationOptions } from '../llamacpp/drafter.ts';
import type { ModelFolder } from './read-model-folder.ts';

export async function openSpeculation(
  options: {
    readonly speculation?: SpeculationOptions;
    readonly slots: number;
    readonly threads: number;
    readonly onLog?: (line: string) => void;
  },
  { tokenizer }: ModelFolder,
  contextTokens: number,
): Promise<Speculation | undefined> {
  const { speculation, slots, threads, onLog } = options;
  if (speculation === undefined) return undefined;
  const { createDrafter } = await import('../llamacpp/drafter.ts');
  // The text alone needs no llama.cpp.
  const start = speculation.method === 'draft' ? await import('../llamacpp/start-llama.ts') : undefined;
  const llama = await start?.startLlama(onLog === undefined ? {} : { onLog });
  try {
    const room = { contextTokens, slots, threads };
    const drafter = await createDrafter(llama, tokenizer.vocabulary.tokens, speculation, room);
    return {
      tokens: speculation.tokens ?? 4,
      drafter: {
        ...drafter,
        [Symbol.asyncDispose]: async () => {
          await drafter[Symbol.asyncDispose]();
          await llama?.dispose();
        },
      },
    };
  } catch (cause) {
    await llama?.dispose();
    throw cause;
  }
}
