/**
 * Somebody who keeps asking a served model whose every answer is known. Refusals are expected while things
 * are being killed; an answer that came whole must be right, and must be in the books.
 */
import { answerAfter, cycle } from '@gantry/engines/testing';
import type { Random } from '@gantry/kit';
import { pause } from './until.ts';

export interface Asking {
  /** Tokens of the answers that came whole. */
  readonly tokens: number;
  readonly answers: number;
  readonly refusals: number;
  readonly wrong: readonly string[];
  stop(): Promise<void>;
}

interface Answer {
  readonly choices: readonly { readonly text: string }[];
  readonly usage: { readonly total_tokens: number };
}

export async function ask(
  at: { readonly url: string; readonly key: string },
  endpoint: string,
  prompt: string,
): Promise<Answer | undefined> {
  try {
    const response = await fetch(`${at.url}/v1/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${at.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: endpoint, prompt, temperature: 0, max_tokens: 12 }),
      signal: AbortSignal.timeout(30_000),
    });
    if (response.status === 200) return (await response.json()) as Answer;
    await response.text();
  } catch {
    // the server or the engine behind it was killed
  }
  return undefined;
}

export function startAsking(
  at: () => { readonly url: string; readonly key: string },
  endpoint: string,
  random: Random,
): Asking {
  const seen = { tokens: 0, answers: 0, refusals: 0, wrong: [] as string[] };
  let isOver = false;
  const asking = (async () => {
    // oxlint-disable-next-line no-unmodified-loop-condition -- stop() changes it
    while (!isOver) {
      const prompt = Array.from({ length: 1 + random.below(20) }, () => random.pick(cycle.split(''))).join(
        '',
      );
      const answer = await ask(at(), endpoint, prompt);
      if (answer === undefined) seen.refusals += 1;
      else {
        seen.answers += 1;
        seen.tokens += answer.usage.total_tokens;
        const expected = answerAfter(prompt.slice(-1)).slice(0, 12);
        const text = answer.choices[0]?.text ?? '';
        if (text !== expected) seen.wrong.push(`"${prompt}" was answered "${text}", not "${expected}"`);
      }
      await pause(50);
    }
  })();
  return {
    get tokens() {
      return seen.tokens;
    },
    get answers() {
      return seen.answers;
    },
    get refusals() {
      return seen.refusals;
    },
    get wrong() {
      return seen.wrong;
    },
    stop: async () => {
      isOver = true;
      await asking;
    },
  };
}
