/** A response of the Responses dialect, and the events that build it up (openai-openapi 2.3.0, `Response*`). */
import type { Usage } from './dialect.ts';

export interface ResponseHead {
  readonly id: string;
  readonly messageId: string;
  readonly createdSeconds: number;
  readonly model: string;
  readonly temperature: number;
  readonly topP: number;
  readonly echo: Readonly<Record<string, unknown>>;
}

export type ResponseEnd = 'stop' | 'length';
type Fields = Readonly<Record<string, unknown>>;

const textPart = (text: string): Fields => ({ type: 'output_text', text, annotations: [], logprobs: [] });

const message = ({ messageId }: ResponseHead, status: string, content: readonly Fields[]): Fields => ({
  type: 'message',
  id: messageId,
  status,
  role: 'assistant',
  content,
});

export function toResponse(
  head: ResponseHead,
  done?: { readonly text: string; readonly end: ResponseEnd; readonly usage: Usage },
): Fields {
  const { id, createdSeconds, model, temperature, topP, echo } = head;
  const status = done === undefined ? 'in_progress' : done.end === 'length' ? 'incomplete' : 'completed';
  return {
    ...echo,
    id,
    object: 'response',
    created_at: createdSeconds,
    status,
    error: null,
    incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    model,
    temperature,
    top_p: topP,
    output: done === undefined ? [] : [message(head, status, [textPart(done.text)])],
    usage: done === undefined ? null : toResponseUsage(done.usage),
  };
}

function toResponseUsage({ promptTokens, completionTokens, cachedTokens }: Usage): Fields {
  return {
    input_tokens: promptTokens,
    input_tokens_details: { cached_tokens: cachedTokens },
    output_tokens: completionTokens,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: promptTokens + completionTokens,
  };
}

/** The events of one streamed response, numbered in the order in which they are made. */
export function createResponseEvents(head: ResponseHead) {
  let sequence = 0;
  const event = (type: string, fields: Fields): Fields => ({
    type,
    sequence_number: sequence++,
    ...fields,
  });
  const place = { output_index: 0 };
  const part = { ...place, content_index: 0, item_id: head.messageId };
  return {
    opening: (): readonly Fields[] => [
      event('response.created', { response: toResponse(head) }),
      event('response.in_progress', { response: toResponse(head) }),
      event('response.output_item.added', { ...place, item: message(head, 'in_progress', []) }),
      event('response.content_part.added', { ...part, part: textPart('') }),
    ],
    delta: (delta: string): Fields => event('response.output_text.delta', { ...part, delta, logprobs: [] }),
    closing: (text: string, end: ResponseEnd, usage: Usage): readonly Fields[] => {
      const response = toResponse(head, { text, end, usage });
      const status = String(response['status']);
      return [
        event('response.output_text.done', { ...part, text, logprobs: [] }),
        event('response.content_part.done', { ...part, part: textPart(text) }),
        event('response.output_item.done', { ...place, item: message(head, status, [textPart(text)]) }),
        event(`response.${status}`, { response }),
      ];
    },
  };
}
