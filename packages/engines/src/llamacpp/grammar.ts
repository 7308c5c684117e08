/** What holds an answer to a JSON schema, as the addon's sampler takes it. */
import { LlamaGrammarEvaluationState, type Llama, type LlamaModel } from 'node-llama-cpp';
import { EngineError } from '../engine-error.ts';
import type { GenerateRequest } from '../llm-engine.ts';

export async function grammarOf(
  llama: Llama,
  model: LlamaModel,
  { jsonSchema }: GenerateRequest,
): Promise<Record<string, unknown>> {
  if (jsonSchema === undefined) return {};
  try {
    const grammar =
      jsonSchema === true
        ? await llama.getGrammarFor('json')
        : await llama.createGrammarForJsonSchema(jsonSchema as never);
    const state = new LlamaGrammarEvaluationState({ model, grammar });
    return { grammarEvaluationState: (state as unknown as { readonly _state: unknown })._state };
  } catch (cause) {
    throw new EngineError('invalid_value', 'The JSON schema cannot be made into a grammar.', {
      param: 'response_format',
      hint: cause instanceof Error ? cause.message : '',
      cause,
    });
  }
}
