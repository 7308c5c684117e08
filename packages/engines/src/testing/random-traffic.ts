/**
 * Requests that arrive at random, share prefixes, want different lengths, are cancelled in the middle or
 * abandoned by their reader, against a permutation model: every token of every answer is known and checked.
 */
import { createRandom } from '@gantry/kit';
import type { LlmEngine } from '../llm-engine.ts';
import { answerAfter, cycle } from './permutation-model.ts';

export interface TrafficResult {
  readonly completed: number;
  readonly cancelled: number;
  readonly tokens: number;
  /** What was wrong; empty when nothing was. */
  readonly wrong: readonly string[];
}

export async function runRandomTraffic(
  engine: LlmEngine,
  options: { readonly requests: number; readonly seed: number; readonly concurrency: number },
): Promise<TrafficResult> {
  const random = createRandom(options.seed);
  const characters = cycle.split('');
  const stems = Array.from({ length: 4 }, () =>
    Array.from({ length: 60 }, () => random.pick(characters)).join(''),
  );
  const result = { completed: 0, cancelled: 0, tokens: 0, wrong: [] as string[] };
  let sent = 0;
  const one = async (index: number): Promise<void> => {
    const stem = random.pick(stems).slice(0, random.below(61));
    const prompt =
      stem + Array.from({ length: 1 + random.below(30) }, () => random.pick(characters)).join('');
    const maxTokens = 1 + random.below(50);
    const stopAt = random.next() < 0.2 ? random.below(10) : undefined;
    const isAbandoned = random.next() < 0.5;
    const abort = new AbortController();
    const ids: number[] = [];
    let reason = 'none';
    const events = engine.generate({
      prompt: engine.tokenize(prompt),
      maxTokens,
      sampling: { temperature: 0, topP: 1, seed: 1 },
      scope: `tenant${index % 3}`,
      priority: random.below(2),
      signal: abort.signal,
    });
    if (stopAt === 0 && !isAbandoned) abort.abort();
    for await (const event of events) {
      if (event.type === 'end') reason = event.reason;
      if (event.type !== 'token') continue;
      ids.push(event.token);
      if (ids.length !== stopAt) continue;
      if (isAbandoned) break;
      abort.abort();
    }
    const text = engine.detokenize(ids);
    const expected = answerAfter(prompt.slice(-1)).slice(0, maxTokens);
    result.tokens += ids.length;
    if (reason === 'stop' || reason === 'length') {
      result.completed += 1;
      if (text !== expected) result.wrong.push(`${prompt}: ${text} instead of ${expected}`);
    } else {
      result.cancelled += 1;
      if (!expected.startsWith(text)) result.wrong.push(`${prompt}: ${text} does not begin ${expected}`);
    }
  };
  const lane = async (): Promise<void> => {
    while (sent < options.requests) {
      sent += 1;
      await one(sent);
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, lane));
  return result;
}
