/** One answer as text: the engine's tokens through the stop matcher, piece by piece. */
import type { GenerateRequest, LlmEngine, TokenScore } from '../llm-engine.ts';
import { createStopMatcher } from './stop-matcher.ts';
import { createTextStream } from './text-stream.ts';

export type GenerationPiece =
  | { readonly type: 'prompt'; readonly logprobs: readonly TokenScore[] }
  | { readonly type: 'text'; readonly text: string; readonly logprobs: readonly TokenScore[] }
  | {
      readonly type: 'end';
      readonly reason: 'stop' | 'length' | 'cancelled';
      readonly completionTokens: number;
      readonly cachedTokens: number;
    };

/** A grammar of JSON allows white space behind the value, and some models never stop to write it; within, none is this long. */
const afterJson = '\n'.repeat(4);

export async function* generateText(
  engine: LlmEngine,
  request: GenerateRequest,
  stops: readonly string[],
): AsyncGenerator<GenerationPiece, void, undefined> {
  const text = createTextStream((tokens) => engine.detokenize(tokens, true));
  const stop = createStopMatcher(request.jsonSchema === undefined ? stops : [...stops, afterJson]);
  let completionTokens = 0;
  let cachedTokens = 0;
  let reports: TokenScore[] = [];
  // Leaving the loop at a stop string ends the engine's iterator, and with it the computing.
  for await (const event of engine.generate(request)) {
    if (event.type === 'end') {
      const rest = stop.push(text.flush());
      const last = rest.isStopped ? rest.text : rest.text + stop.flush();
      if (last !== '' || reports.length > 0) yield { type: 'text', text: last, logprobs: reports };
      yield { type: 'end', reason: event.reason, completionTokens, cachedTokens: event.cachedTokens };
      return;
    }
    if (event.type === 'prompt') {
      yield { type: 'prompt', logprobs: event.scores };
      continue;
    }
    completionTokens += 1;
    cachedTokens = event.cachedTokens ?? cachedTokens;
    if (event.logprob !== undefined) {
      reports.push({ token: event.token, logprob: event.logprob, top: event.top ?? [] });
    }
    const { text: safe, isStopped } = stop.push(text.push(event.token));
    if (safe !== '') {
      yield { type: 'text', text: safe, logprobs: reports };
      reports = [];
    }
    if (isStopped) {
      yield { type: 'end', reason: 'stop', completionTokens, cachedTokens };
      return;
    }
  }
}
