/** Where guesses come from: the text so far, or a small model that reads along. */
import { ngramDraft } from '@gantry/serving/steps';
import type { Llama, LlamaModel } from 'node-llama-cpp';
import { EngineError } from '../engine-error.ts';
import { createModelDrafter } from './model-drafter.ts';

export type SpeculationOptions =
  | { readonly method: 'ngram'; readonly tokens?: number }
  /** `modelPath`: a smaller model with the same vocabulary. */
  | { readonly method: 'draft'; readonly tokens?: number; readonly modelPath: string };

export interface DraftWanted {
  readonly id: string;
  /** Prompt and answer so far. */
  readonly tokens: readonly number[];
  readonly most: number;
}

export interface Drafter extends AsyncDisposable {
  propose(wanted: readonly DraftWanted[]): Promise<ReadonlyMap<string, readonly number[]>>;
  /** The sequence has ended. */
  forget(id: string): void;
}

export interface Speculation {
  readonly drafter: Drafter;
  /** Most guesses at once. */
  readonly tokens: number;
}

export interface DrafterRoom {
  readonly contextTokens: number;
  readonly slots: number;
  readonly threads: number;
}

const ngramDrafter: Drafter = {
  propose: async (wanted) => new Map(wanted.map(({ id, tokens, most }) => [id, ngramDraft(tokens, most)])),
  forget: () => undefined,
  [Symbol.asyncDispose]: async () => undefined,
};

/** Token by id. */
export const vocabularyOf = ({ fileInfo }: LlamaModel): readonly string[] =>
  fileInfo.metadata.tokenizer.ggml.tokens;

/** `vocabulary`: of the model that checks the guesses. */
export async function createDrafter(
  llama: Llama | undefined,
  vocabulary: readonly string[],
  options: SpeculationOptions,
  room: DrafterRoom,
): Promise<Drafter> {
  if (options.method === 'ngram') return ngramDrafter;
  if (llama === undefined) throw new Error('a draft model needs llama.cpp');
  const model = await llama.loadModel({ modelPath: options.modelPath }).catch((cause: unknown) => {
    throw new EngineError('model_invalid', `The draft model ${options.modelPath} cannot be loaded.`, {
      cause,
    });
  });
  const theirs = vocabularyOf(model);
  if (theirs.length !== vocabulary.length || theirs.some((token, id) => token !== vocabulary[id])) {
    await model.dispose();
    throw new EngineError('model_invalid', 'The draft model has another vocabulary than the model.', {
      hint: 'A draft is a smaller model of the same family, with the same tokenizer.',
    });
  }
  return createModelDrafter(model, room);
}
