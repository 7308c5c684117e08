/**
 * Log probabilities as servers report them with completions: OpenAI's first shape, parallel lists of `tokens`, and
 * the shape of chats, `content`, which llama-server uses for both.
 */
import type { ScoredToken } from '../accuracy/text-tally.ts';
import { type AskedModel, EvaluationError, refusalOf } from './asked-model.ts';

/** What OpenAI's dialect lets one ask for; some servers allow fewer and say so. */
const alternatives = 20;

interface ListedLogprobs {
  readonly tokens?: readonly string[];
  readonly token_logprobs?: readonly (number | null)[];
  readonly top_logprobs?: readonly (Readonly<Record<string, number>> | null)[] | null;
}

interface TokenLogprob {
  readonly token: string;
  readonly logprob: number;
}

interface ChatLogprobs {
  readonly content?: readonly (TokenLogprob & { readonly top_logprobs?: readonly TokenLogprob[] })[];
}

export interface SaidToken extends ScoredToken<string> {
  readonly token: string;
}

/** Of every token of the prompt but the first, of which nobody can say anything; undefined: the server does not say. */
export async function scorePrompt(
  asked: AskedModel,
  prompt: string,
): Promise<readonly SaidToken[] | undefined> {
  const { text, logprobs } = await complete(asked, { prompt, max_tokens: 0, echo: true });
  const { tokens = [] } = logprobs as ListedLogprobs;
  // A server that does not echo answers with what comes next instead.
  if (!text.startsWith(prompt) || tokens.length === 0) return undefined;
  return tokensOf(logprobs);
}

/** The likeliest tokens after the prompt; undefined: the server reports none. */
export async function scoreNext(
  asked: AskedModel,
  prompt: string,
): Promise<ReadonlyMap<string, number> | undefined> {
  const { logprobs } = await complete(asked, { prompt, max_tokens: 1 });
  const top = tokensOf(logprobs)[0]?.top;
  return top === undefined || top.size === 0 ? undefined : top;
}

async function complete(
  asked: AskedModel,
  wish: object,
): Promise<{ readonly text: string; readonly logprobs: ListedLogprobs | ChatLogprobs }> {
  const answer = await asked.ask('/v1/completions', {
    model: asked.model,
    logprobs: alternatives,
    temperature: 0,
    ...wish,
  });
  const { choices } = (answer.body ?? {}) as {
    readonly choices?: readonly { readonly text?: string; readonly logprobs?: object | null }[];
  };
  const [choice] = choices ?? [];
  if (choice === undefined)
    throw new EvaluationError(
      'endpoint_failed',
      `${asked.name} scored nothing: ${refusalOf(answer)}`,
      'it must report log probabilities of completions; a shorter --window fits a smaller context',
    );
  return { text: choice.text ?? '', logprobs: choice.logprobs ?? {} };
}

function tokensOf(logprobs: ListedLogprobs | ChatLogprobs): readonly SaidToken[] {
  if ('content' in logprobs)
    return (logprobs.content ?? []).map(({ token, logprob, top_logprobs = [] }) => ({
      token,
      logprob,
      top: new Map(top_logprobs.map((one) => [one.token, one.logprob])),
    }));
  const { tokens = [], token_logprobs = [], top_logprobs } = logprobs as ListedLogprobs;
  return tokens.flatMap((token, at) => {
    const logprob = token_logprobs[at];
    if (logprob === null || logprob === undefined) return [];
    return [{ token, logprob, top: new Map(Object.entries(top_logprobs?.[at] ?? {})) }];
  });
}
