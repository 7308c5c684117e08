/** The shapes in which completions and chat differ: one row of this table each, one relay for both. */
import { randomUUID } from 'node:crypto';
import type { LlmEngine, TokenScore } from '../llm-engine.ts';
import type { ToolCall } from './tools.ts';

export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
}

export interface Dialect {
  readonly idPrefix: string;
  readonly object: string;
  readonly chunkObject: string;
  /** The first frame of a stream; undefined sends none. */
  opening(index: number): Record<string, unknown> | undefined;
  delta(index: number, text: string, logprobs: unknown): Record<string, unknown>;
  closing(index: number, reason: string): Record<string, unknown>;
  choice(index: number, text: string, reason: string, logprobs: unknown): Record<string, unknown>;
  logprobs(engine: LlmEngine, reports: readonly TokenScore[], textOffset: number): unknown;
}

const chatLogprob = (engine: LlmEngine, token: number, logprob: number | null): Record<string, unknown> => {
  const text = engine.detokenize([token], true);
  return { token: text, logprob, bytes: [...Buffer.from(text)] };
};

export const completionsDialect: Dialect = {
  idPrefix: 'cmpl-',
  object: 'text_completion',
  chunkObject: 'text_completion',
  opening: () => undefined,
  delta: (index, text, logprobs) => ({ index, text, logprobs: logprobs ?? null, finish_reason: null }),
  closing: (index, reason) => ({ index, text: '', logprobs: null, finish_reason: reason }),
  choice: (index, text, reason, logprobs) => ({
    index,
    text,
    logprobs: logprobs ?? null,
    finish_reason: reason,
  }),
  logprobs: (engine, reports, textOffset) => {
    // No probability: the first of a prompt. What it begins with is the text as it was written.
    let isContinued = reports[0]?.logprob !== null;
    const tokens = reports.map(({ token }) => {
      const text = engine.detokenize([token], isContinued);
      isContinued ||= text !== '';
      return text;
    });
    let offset = textOffset;
    return {
      tokens,
      token_logprobs: reports.map(({ logprob }) => logprob),
      top_logprobs: reports.map(({ top, logprob }) =>
        logprob === null
          ? null
          : Object.fromEntries(top.map(({ token, logprob }) => [engine.detokenize([token], true), logprob])),
      ),
      text_offset: tokens.map((token) => {
        const at = offset;
        offset += token.length;
        return at;
      }),
    };
  },
};

const toToolCall = ({ name, arguments: text }: ToolCall): Record<string, unknown> => ({
  id: `call_${randomUUID().replaceAll('-', '')}`,
  type: 'function',
  function: { name, arguments: text },
});

/** An answer of a chat that calls functions instead of saying something. */
export const toolCallChoice = (index: number, calls: readonly ToolCall[]): Record<string, unknown> => ({
  index,
  message: { role: 'assistant', content: null, refusal: null, tool_calls: calls.map(toToolCall) },
  logprobs: null,
  finish_reason: 'tool_calls',
});
export const toolCallDelta = (index: number, calls: readonly ToolCall[]): Record<string, unknown> => ({
  index,
  delta: { tool_calls: calls.map((call, place) => ({ index: place, ...toToolCall(call) })) },
  logprobs: null,
  finish_reason: null,
});

export const chatDialect: Dialect = {
  idPrefix: 'chatcmpl-',
  object: 'chat.completion',
  chunkObject: 'chat.completion.chunk',
  opening: (index) => ({
    index,
    delta: { role: 'assistant', content: '' },
    logprobs: null,
    finish_reason: null,
  }),
  delta: (index, content, logprobs) => ({
    index,
    delta: { content },
    logprobs: logprobs ?? null,
    finish_reason: null,
  }),
  closing: (index, reason) => ({ index, delta: {}, logprobs: null, finish_reason: reason }),
  choice: (index, content, reason, logprobs) => ({
    index,
    message: { role: 'assistant', content, refusal: null },
    logprobs: logprobs ?? null,
    finish_reason: reason,
  }),
  logprobs: (engine, reports) => ({
    content: reports.map(({ token, logprob, top }) => ({
      ...chatLogprob(engine, token, logprob),
      top_logprobs: top.map((one) => chatLogprob(engine, one.token, one.logprob)),
    })),
    refusal: null,
  }),
};

export function toUsage({ promptTokens, completionTokens, cachedTokens }: Usage): Record<string, unknown> {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}
