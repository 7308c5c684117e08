/**
 * What holds an answer of the paged decoder to a JSON schema: llama.cpp's grammars on this model's vocabulary, which is
 * all of the model that llama.cpp sees. Opened at the first request that needs one.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { llamaGgufMetadata, writeGguf } from '@gantry/formats';
import type { Llama, LlamaModel } from 'node-llama-cpp';
import type { GenerateRequest } from '../llm-engine.ts';
import type { ModelFolder } from './read-model-folder.ts';

export interface AnswerGrammar {
  /** Whether the answer may go on with this token; the end of text is one. */
  allows(token: number): boolean;
  /** It did. */
  accept(token: number): void;
}

/** Not public: what the package's own sampling asks. */
interface GrammarFunctions {
  canBeNextTokenForGrammarEvaluationState(state: unknown, token: number): boolean;
  acceptGrammarEvaluationStateToken(state: unknown, token: number): void;
}

export class AnswerGrammars implements AsyncDisposable {
  readonly #llama: Llama;
  readonly #vocabulary: LlamaModel;

  private constructor(llama: Llama, vocabulary: LlamaModel) {
    this.#llama = llama;
    this.#vocabulary = vocabulary;
  }

  static async open({ config, tokenizer }: ModelFolder): Promise<AnswerGrammars> {
    const { startLlama } = await import('../llamacpp/start-llama.ts');
    const folder = await mkdtemp(join(tmpdir(), 'gantry-vocabulary-'));
    try {
      const modelPath = join(folder, 'vocabulary.gguf');
      const metadata = llamaGgufMetadata(config, tokenizer.vocabulary, { name: 'vocabulary' });
      await writeFile(modelPath, writeGguf(metadata, []));
      const llama = await startLlama({});
      return new AnswerGrammars(llama, await llama.loadModel({ modelPath, vocabOnly: true }));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async make(request: GenerateRequest): Promise<AnswerGrammar> {
    const { grammarOf } = await import('../llamacpp/grammar.ts');
    const { grammarEvaluationState: state } = await grammarOf(this.#llama, this.#vocabulary, request);
    const { _bindings: bindings } = this.#llama as unknown as {
      readonly _bindings: { readonly AddonSampler: GrammarFunctions };
    };
    const { AddonSampler: native } = bindings;
    return {
      allows: (token) => native.canBeNextTokenForGrammarEvaluationState(state, token),
      accept: (token) => native.acceptGrammarEvaluationStateToken(state, token),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#vocabulary.dispose();
    await this.#llama.dispose();
  }
}
