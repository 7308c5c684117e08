/** From a call to what the engine computes: one request for each prompt and choice. */
import type { IncomingMessage } from 'node:http';
import { EngineError } from '../engine-error.ts';
import type { GenerateRequest, LlmEngine } from '../llm-engine.ts';
import type { GenerationOptions, Prompt } from '../openai/parse-request.ts';
import type { ToolSet } from '../openai/tools.ts';
import type { EngineCall } from './engine-server.ts';

export interface Asked {
  readonly options: GenerationOptions;
  readonly prompts: readonly (readonly number[])[];
  /** The prompts to give back before each answer; empty for none. */
  readonly echoed: readonly Prompt[];
  /** The field that a prompt came in. */
  readonly param: string;
  readonly tools?: ToolSet | undefined;
}

/** What to compute: `n` answers to each prompt. */
export function generateRequests(
  engine: LlmEngine,
  { request, signal }: EngineCall,
  { options, prompts, echoed, param }: Asked,
): readonly GenerateRequest[] {
  const adapter = adapterOf(options.model);
  const unknown = options.sampling.logitBias?.keys().find((token) => token >= engine.vocabularySize);
  if (unknown !== undefined)
    throw new EngineError('invalid_value', `Token ${unknown} is not in the vocabulary.`, {
      param: 'logit_bias',
    });
  const common = {
    ignoreEnd: options.ignoreEnd,
    hasPromptLogprobs: echoed.length > 0 && options.topLogprobs !== undefined,
    priority: Number.parseInt(headerOf(request, 'x-gantry-priority') ?? '0', 10) || 0,
    scope: headerOf(request, 'x-gantry-cache-scope') ?? '',
    signal,
    ...(adapter === undefined ? {} : { adapter }),
    ...(options.topLogprobs === undefined ? {} : { topLogprobs: options.topLogprobs }),
    ...(options.jsonSchema === undefined ? {} : { jsonSchema: options.jsonSchema }),
  };
  return prompts.flatMap((tokens) => {
    const prompt = tokens.length === 0 ? [engine.bosToken ?? 0] : tokens;
    const room = engine.contextTokens - prompt.length;
    if (room <= 0) throw tooLong(engine, prompt.length, param);
    return Array.from({ length: options.choices }, (_, choice): GenerateRequest => ({
      ...common,
      prompt,
      maxTokens: Math.min(options.maxTokens ?? engine.contextTokens, room),
      sampling: { ...options.sampling, seed: options.sampling.seed + choice },
    }));
  });
}

/** `chat:legal` is the model `chat` with its adapter `legal`. */
function adapterOf(model: string | undefined): string | undefined {
  const at = model?.indexOf(':') ?? -1;
  return at === -1 ? undefined : model?.slice(at + 1);
}

function tooLong(engine: LlmEngine, tokens: number, param: string): EngineError {
  return new EngineError(
    'context_length_exceeded',
    `This model's context holds ${engine.contextTokens} tokens; the prompt has ${tokens}.`,
    { param, hint: 'Shorten the prompt.' },
  );
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}
