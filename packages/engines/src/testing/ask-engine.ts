/** One request to an engine, followed to its end. */
import type { GenerateEvent, GenerateRequest, LlmEngine, TokenLogprob } from '../llm-engine.ts';

export const greedySampling = { temperature: 0, topP: 1, seed: 1 };

export interface Answer {
  readonly tokens: readonly number[];
  readonly logprobs: readonly number[];
  readonly cachedTokens: number;
  readonly reason: string;
}

/** Greedy, and at most 200 tokens, unless it is told otherwise. `seen` is given every event. */
export async function askEngine(
  of: LlmEngine,
  text: string,
  changes: Partial<GenerateRequest> = {},
  seen: (event: GenerateEvent) => void = () => undefined,
): Promise<Answer> {
  const tokens: number[] = [];
  const logprobs: number[] = [];
  const request = { prompt: of.tokenize(text), maxTokens: 200, sampling: greedySampling, ...changes };
  for await (const event of of.generate(request)) {
    seen(event);
    if (event.type === 'end')
      return { tokens, logprobs, cachedTokens: event.cachedTokens, reason: event.reason };
    if (event.type !== 'token') continue;
    tokens.push(event.token);
    if (event.logprob !== undefined) logprobs.push(event.logprob);
  }
  throw new Error('no end');
}

/** The greedy tokens after the prompt, past any end of text, each with the 20 likeliest of its place. */
export async function likeliestTokens(
  of: LlmEngine,
  prompt: readonly number[],
  maxTokens: number,
): Promise<readonly { readonly token: number; readonly top: readonly TokenLogprob[] }[]> {
  const steps = [];
  const request = { prompt, maxTokens, sampling: greedySampling, topLogprobs: 20, ignoreEnd: true };
  for await (const event of of.generate(request))
    if (event.type === 'token') steps.push({ token: event.token, top: event.top ?? [] });
  return steps;
}
