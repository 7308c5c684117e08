/** The body of a Responses call → the chat it means. Items of other kinds than messages are refused by name. */
import { EngineError } from '../engine-error.ts';
import { parseChat, type ChatCall } from './parse-request.ts';

export interface ResponseCall extends ChatCall {
  /** Given back as they came. */
  readonly echo: Readonly<Record<string, unknown>>;
}

type Body = Readonly<Record<string, unknown>>;

export function parseResponseRequest(body: unknown): ResponseCall {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new EngineError('invalid_json', 'The body is not a JSON object.');
  const fields = body as Body;
  if (fields['background'] === true)
    throw bad('background', 'This engine answers at once; background responses are not kept.');
  const { format } = (fields['text'] ?? {}) as Body;
  const chat = parseChat({
    messages: [...instructionsOf(fields['instructions']), ...messagesOf(fields['input'])],
    model: fields['model'],
    stream: fields['stream'],
    tools: fields['tools'],
    max_completion_tokens: fields['max_output_tokens'],
    temperature: fields['temperature'],
    top_p: fields['top_p'],
    response_format: toChatFormat(format),
  });
  return {
    ...chat,
    echo: {
      instructions: fields['instructions'] ?? null,
      max_output_tokens: fields['max_output_tokens'] ?? null,
      metadata: fields['metadata'] ?? {},
      previous_response_id: fields['previous_response_id'] ?? null,
      store: fields['store'] ?? true,
      text: { format: format ?? { type: 'text' } },
      user: fields['user'] ?? null,
      parallel_tool_calls: true,
      reasoning: { effort: null, summary: null },
      tool_choice: 'auto',
      tools: [],
      truncation: 'disabled',
    },
  };
}

function instructionsOf(value: unknown): readonly object[] {
  if (value === undefined || value === null) return [];
  if (typeof value !== 'string') throw bad('instructions', 'instructions is a text.');
  return [{ role: 'system', content: value }];
}

function messagesOf(input: unknown): readonly object[] {
  if (typeof input === 'string') return [{ role: 'user', content: input }];
  if (!Array.isArray(input)) throw bad('input', 'input is a text or a list of items.');
  return input.map((item: unknown, index) => {
    const {
      type = 'message',
      role,
      content,
    } = (typeof item === 'object' && item !== null ? item : {}) as Body;
    if (type !== 'message') throw bad(`input[${index}].type`, `Items of type ${String(type)} are not read.`);
    return { role, content: Array.isArray(content) ? content.map(toChatPart) : content };
  });
}

/** Chat calls both kinds of text `text`; what is neither is refused there. */
function toChatPart(part: unknown): unknown {
  const { type, text } = (typeof part === 'object' && part !== null ? part : {}) as Body;
  return type === 'input_text' || type === 'output_text' ? { type: 'text', text } : part;
}

/** Responses write the schema beside the type, chat inside of it. */
function toChatFormat(format: unknown): unknown {
  if (typeof format !== 'object' || format === null) return format;
  const { type, schema } = format as Body;
  return type === 'json_schema' ? { type, json_schema: { schema } } : format;
}

function bad(param: string, message: string): EngineError {
  return new EngineError('unsupported', message, { param });
}
