/** A response of the Responses dialect, and the events that build it up (openai-openapi 2.3.0, `Response*`). */
import type { Usage } from './dialect.ts';
import type { ToolCall } from './tools.ts';

export interface ResponseHead {
  /** What the ids of the response and of its items are made of. */
  readonly key: string;
  readonly createdSeconds: number;
  readonly model: string;
  readonly temperature: number;
  readonly topP: number;
  readonly echo: Readonly<Record<string, unknown>>;
}

/** Text, or calls of functions instead of it. */
export type ResponseOutput = { readonly text: string } | { readonly calls: readonly ToolCall[] };

export interface ResponseDone {
  readonly output: ResponseOutput;
  readonly end: 'stop' | 'length';
  readonly usage: Usage;
}

type Fields = Readonly<Record<string, unknown>>;

const textPart = (text: string): Fields => ({ type: 'output_text', text, annotations: [], logprobs: [] });

const message = ({ key }: ResponseHead, status: string, content: readonly Fields[]): Fields => ({
  type: 'message',
  id: `msg_${key}`,
  status,
  role: 'assistant',
  content,
});

const functionCall = ({ key }: ResponseHead, index: number, status: string, call: ToolCall): Fields => ({
  type: 'function_call',
  id: `fc_${key}${index}`,
  call_id: `call_${key}${index}`,
  status,
  ...call,
});

const itemsOf = (head: ResponseHead, status: string, output: ResponseOutput): readonly Fields[] =>
  'calls' in output
    ? output.calls.map((call, index) => functionCall(head, index, 'completed', call))
    : [message(head, status, [textPart(output.text)])];

export function toResponse(head: ResponseHead, done?: ResponseDone): Fields {
  const { key, createdSeconds, model, temperature, topP, echo } = head;
  const status = done === undefined ? 'in_progress' : done.end === 'length' ? 'incomplete' : 'completed';
  return {
    ...echo,
    id: `resp_${key}`,
    object: 'response',
    created_at: createdSeconds,
    status,
    error: null,
    incomplete_details: status === 'incomplete' ? { reason: 'max_output_tokens' } : null,
    model,
    temperature,
    top_p: topP,
    output: done === undefined ? [] : itemsOf(head, status, done.output),
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
  let isTextOpen = false;
  const event = (type: string, fields: Fields): Fields => ({
    type,
    sequence_number: sequence++,
    ...fields,
  });
  const place = { output_index: 0 };
  const part = { ...place, content_index: 0, item_id: `msg_${head.key}` };
  const openText = (): readonly Fields[] => {
    if (isTextOpen) return [];
    isTextOpen = true;
    return [
      event('response.output_item.added', { ...place, item: message(head, 'in_progress', []) }),
      event('response.content_part.added', { ...part, part: textPart('') }),
    ];
  };
  const textDone = (text: string, status: string): readonly Fields[] => [
    ...openText(),
    event('response.output_text.done', { ...part, text, logprobs: [] }),
    event('response.content_part.done', { ...part, part: textPart(text) }),
    event('response.output_item.done', { ...place, item: message(head, status, [textPart(text)]) }),
  ];
  const callDone = (call: ToolCall, index: number): readonly Fields[] => {
    const [at, given] = [{ output_index: index }, { arguments: call.arguments }];
    const argumentsAt = { ...at, item_id: `fc_${head.key}${index}` };
    const opened = functionCall(head, index, 'in_progress', { ...call, arguments: '' });
    return [
      event('response.output_item.added', { ...at, item: opened }),
      event('response.function_call_arguments.delta', { ...argumentsAt, delta: call.arguments }),
      event('response.function_call_arguments.done', { ...argumentsAt, name: call.name, ...given }),
      event('response.output_item.done', { ...at, item: functionCall(head, index, 'completed', call) }),
    ];
  };
  return {
    opening: (): readonly Fields[] => [
      event('response.created', { response: toResponse(head) }),
      event('response.in_progress', { response: toResponse(head) }),
    ],
    delta: (delta: string): readonly Fields[] => [
      ...openText(),
      event('response.output_text.delta', { ...part, delta, logprobs: [] }),
    ],
    closing: (done: ResponseDone): readonly Fields[] => {
      const response = toResponse(head, done);
      const status = String(response['status']);
      const { output } = done;
      return [
        ...('calls' in output ? output.calls.flatMap(callDone) : textDone(output.text, status)),
        event(`response.${status}`, { response }),
      ];
    },
  };
}
