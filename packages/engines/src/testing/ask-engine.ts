/** One request to an engine, followed to its end. */
import type { GenerateEvent, GenerateRequest, LlmEngine } from '../llm-engine.ts';

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
