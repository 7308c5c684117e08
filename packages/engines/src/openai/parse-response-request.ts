/**
 * The body of a Responses call → the chat it means: messages, calls of functions and their results. Items and tools of
 * other kinds are refused by name.
 */
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
    throw bad('background', 'An engine answers at once; the gateway keeps background responses.');
  const { format } = (fields['text'] ?? {}) as Body;
  const chat = parseChat({
    messages: [...instructionsOf(fields['instructions']), ...messagesOf(fields['input'])],
    model: fields['model'],
    stream: fields['stream'],
    tools: toChatTools(fields['tools']),
    tool_choice: toChatChoice(fields['tool_choice']),
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
      parallel_tool_calls: fields['parallel_tool_calls'] ?? true,
      reasoning: { effort: null, summary: null },
      tool_choice: fields['tool_choice'] ?? 'auto',
      tools: fields['tools'] ?? [],
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
    const fields = (typeof item === 'object' && item !== null ? item : {}) as Body;
    const { type = 'message' } = fields;
    const toMessage = typeof type === 'string' && Object.hasOwn(items, type) ? items[type] : undefined;
    if (toMessage === undefined)
      throw bad(`input[${index}].type`, `Items of type ${told(type)} are not read.`);
    return toMessage(fields);
  });
}

/** Each kind of item as the message of a chat. */
const items: Readonly<Record<string, (item: Body) => object>> = {
  message: ({ role, content }) => ({
    role,
    content: Array.isArray(content) ? content.map(toChatPart) : content,
  }),
  function_call: ({ call_id: id, name, arguments: given }) => ({
    role: 'assistant',
    content: '',
    tool_calls: [{ id, type: 'function', function: { name, arguments: given } }],
  }),
  function_call_output: ({ call_id: id, output }) => ({
    role: 'tool',
    tool_call_id: id,
    content: Array.isArray(output) ? output.map(toChatPart) : output,
  }),
};

/** Responses write a function's name beside its type, chat inside of `function`. */
function toChatTools(tools: unknown): unknown {
  if (!Array.isArray(tools)) return tools;
  return tools.map((tool: unknown, index) => {
    const { type, ...definition } = (typeof tool === 'object' && tool !== null ? tool : {}) as Body;
    if (type !== 'function') throw bad(`tools[${index}].type`, `Tools of type ${told(type)} are not called.`);
    return { type, function: definition };
  });
}

function toChatChoice(choice: unknown): unknown {
  const { type, name } = (typeof choice === 'object' && choice !== null ? choice : {}) as Body;
  return type === 'function' ? { type, function: { name } } : choice;
}

/** Chat calls both kinds of text `text`; what is neither is refused there. */
function toChatPart(part: unknown): unknown {
  const { type, text } = (typeof part === 'object' && part !== null ? part : {}) as Body;
  return type === 'input_text' || type === 'output_text' ? { type: 'text', text } : part;
}

/** Responses write the schema beside the type, chat inside of it. */
function toChatFormat(format: unknown): unknown {
  if (typeof format !== 'object' || format === null) return format;
  const { type, schema, strict } = format as Body;
  return type === 'json_schema' ? { type, json_schema: { schema, strict } } : format;
}

function bad(param: string, message: string): EngineError {
  return new EngineError('unsupported', message, { param });
}

/** Whatever was sent in the place of a name, short enough to be said. */
const told = (type: unknown): string => (JSON.stringify(type) ?? 'none').slice(0, 80);
