/** The bodies of OpenAI's completions, chat and embeddings calls → what the engine computes, or a 400 that says why. */
import { EngineError } from '../engine-error.ts';
import type { ChatMessage, SamplingOptions } from '../llm-engine.ts';
import { grammarSchema } from './grammar-schema.ts';
import { forcedSchema, parseTools, type ToolSet } from './tools.ts';

export interface GenerationOptions {
  readonly model: string | undefined;
  readonly isStream: boolean;
  readonly includeUsage: boolean;
  readonly maxTokens: number | undefined;
  readonly choices: number;
  readonly sampling: SamplingOptions;
  readonly stops: readonly string[];
  readonly topLogprobs: number | undefined;
  readonly jsonSchema: Readonly<Record<string, unknown>> | true | undefined;
  readonly ignoreEnd: boolean;
}

export type Prompt = string | readonly number[];

export interface CompletionsCall extends GenerationOptions {
  readonly prompts: readonly Prompt[];
  readonly isEchoed: boolean;
}

export interface ChatCall extends GenerationOptions {
  readonly tools: ToolSet | undefined;
  readonly messages: readonly ChatMessage[];
}

export interface EmbeddingsCall {
  readonly model: string | undefined;
  readonly inputs: readonly Prompt[];
  readonly encoding: 'float' | 'base64';
}

type Body = Readonly<Record<string, unknown>>;

const limits = {
  choices: 16,
  stops: 16,
  stopLength: 256,
  topLogprobs: 20,
  inputs: 256,
  messages: 16_384,
  biases: 1_024,
} as const;

export function parseCompletions(body: unknown): CompletionsCall {
  const fields = asBody(body);
  const prompts = promptsOf(fields['prompt'], 'prompt');
  const topLogprobs = integer(fields, 'logprobs', 0, limits.topLogprobs);
  const isEchoed = flag(fields, 'echo');
  const options = generationOptions(fields, topLogprobs);
  if (options.maxTokens === 0 && !isEchoed) throw bad('max_tokens', 'max_tokens is at least 1 without echo.');
  if (prompts.length * options.choices > limits.choices) {
    throw bad('n', `At most ${limits.choices} answers are computed in one call.`);
  }
  return { ...options, maxTokens: options.maxTokens ?? 16, prompts, isEchoed };
}

export function parseChat(body: unknown): ChatCall {
  const fields = asBody(body);
  const tools = parseTools(fields);
  const messages = fields['messages'];
  if (!Array.isArray(messages) || messages.length === 0 || messages.length > limits.messages)
    throw bad('messages', `messages is a list of one to ${limits.messages}.`);
  const topLogprobs = integer(fields, 'top_logprobs', 0, limits.topLogprobs);
  const hasLogprobs = flag(fields, 'logprobs');
  if (topLogprobs !== undefined && !hasLogprobs)
    throw bad('top_logprobs', 'top_logprobs needs logprobs: true.');
  const options = generationOptions(fields, hasLogprobs ? (topLogprobs ?? 0) : undefined);
  return {
    ...options,
    jsonSchema: tools?.forced === undefined ? options.jsonSchema : forcedSchema(tools),
    tools,
    messages: messages.map((message: unknown, index) => messageOf(message, `messages[${index}]`)),
  };
}

export function parseEmbeddings(body: unknown): EmbeddingsCall {
  const fields = asBody(body);
  const encoding = fields['encoding_format'] ?? 'float';
  if (encoding !== 'float' && encoding !== 'base64')
    throw bad('encoding_format', 'encoding_format is float or base64.');
  refuse(fields, ['dimensions'], () => false);
  return { model: modelOf(fields), inputs: promptsOf(fields['input'], 'input'), encoding };
}

function generationOptions(fields: Body, topLogprobs: number | undefined): GenerationOptions {
  const choices = integer(fields, 'n', 1, limits.choices) ?? 1;
  const presencePenalty = number(fields, 'presence_penalty', -2, 2);
  const frequencyPenalty = number(fields, 'frequency_penalty', -2, 2);
  const logitBias = logitBiasOf(fields['logit_bias']);
  const topK = integer(fields, 'top_k', -1, 2 ** 31 - 1) ?? 0;
  const minP = number(fields, 'min_p', 0, 1) ?? 0;
  refuseUnknownWays(fields);
  const streamOptions = fields['stream_options'];
  const seed = integer(fields, 'seed', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  return {
    model: modelOf(fields),
    isStream: flag(fields, 'stream'),
    includeUsage:
      typeof streamOptions === 'object' &&
      streamOptions !== null &&
      (streamOptions as Body)['include_usage'] === true,
    maxTokens:
      integer(fields, 'max_completion_tokens', 1, 2 ** 31) ?? integer(fields, 'max_tokens', 0, 2 ** 31),
    choices,
    sampling: {
      temperature: number(fields, 'temperature', 0, 2) ?? 1,
      topP: number(fields, 'top_p', 0, 1) ?? 1,
      seed: seed ?? Math.floor(Math.random() * 2 ** 32),
      // Other servers' fields; 0 and −1 are theirs for all tokens.
      ...(topK > 0 ? { topK } : {}),
      ...(minP > 0 ? { minP } : {}),
      ...(presencePenalty === undefined ? {} : { presencePenalty }),
      ...(frequencyPenalty === undefined ? {} : { frequencyPenalty }),
      ...(logitBias === undefined ? {} : { logitBias }),
    },
    stops: stopsOf(fields['stop']),
    topLogprobs,
    jsonSchema: jsonSchemaOf(fields['response_format']),
    ignoreEnd: flag(fields, 'ignore_eos'),
  };
}

function bad(
  param: string,
  message: string,
  code: 'invalid_value' | 'unsupported' = 'invalid_value',
): EngineError {
  return new EngineError(code, message, { param });
}

function asBody(body: unknown): Body {
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Body;
  throw new EngineError('invalid_json', 'The body is not a JSON object.');
}

function isAbsent(value: unknown): value is null | undefined {
  return value === undefined || value === null;
}

function refuse(fields: Body, names: readonly string[], isHarmless: (value: unknown) => boolean): void {
  for (const name of names) {
    if (isAbsent(fields[name]) || isHarmless(fields[name])) continue;
    throw bad(name, `${name} is not supported by this engine.`, 'unsupported');
  }
}

/** Fields of other servers that would change the answer and are not computed here, and what says nothing in each. */
const unknownWays: Readonly<Record<string, unknown>> = {
  suffix: '',
  best_of: 1,
  functions: [],
  repetition_penalty: 1,
  repeat_penalty: 1,
  typical_p: 1,
  mirostat: 0,
  min_tokens: 0,
  stop_token_ids: [],
  bad_words: [],
  grammar: '',
  guided_json: null,
  guided_regex: null,
  guided_choice: null,
  guided_grammar: null,
};

function refuseUnknownWays(fields: Body): void {
  for (const [name, harmless] of Object.entries(unknownWays))
    refuse(fields, [name], (value) => JSON.stringify(value) === JSON.stringify(harmless));
}

function modelOf(fields: Body): string | undefined {
  const model = fields['model'];
  if (isAbsent(model)) return undefined;
  if (typeof model !== 'string') throw bad('model', 'model is a name.');
  return model;
}

function flag(fields: Body, name: string): boolean {
  const value = fields[name];
  if (isAbsent(value)) return false;
  if (typeof value !== 'boolean') throw bad(name, `${name} is true or false.`);
  return value;
}

function number(fields: Body, name: string, least: number, most: number): number | undefined {
  const value = fields[name];
  if (isAbsent(value)) return undefined;
  if (typeof value !== 'number' || !(value >= least && value <= most)) {
    throw bad(name, `${name} is a number from ${least} to ${most}.`);
  }
  return value;
}

function integer(fields: Body, name: string, least: number, most: number): number | undefined {
  const value = number(fields, name, least, most);
  if (value !== undefined && !Number.isInteger(value)) throw bad(name, `${name} is a whole number.`);
  return value;
}

function promptsOf(value: unknown, param: string): readonly Prompt[] {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value) && value.length > 0 && value.length <= 1_000_000) {
    if (isTokens(value)) return [value];
    if (value.length <= limits.inputs && value.every((item) => typeof item === 'string' || isTokens(item))) {
      return value;
    }
  }
  throw bad(param, `${param} is a text, a list of texts, or tokens.`);
}

function isTokens(value: unknown): value is number[] {
  return (
    Array.isArray(value) && value.length > 0 && value.every((item) => Number.isInteger(item) && item >= 0)
  );
}

function stopsOf(value: unknown): readonly string[] {
  if (isAbsent(value)) return [];
  const stops: unknown[] = Array.isArray(value) ? value : [value];
  const isFine = (stop: unknown): stop is string =>
    typeof stop === 'string' && stop.length > 0 && stop.length <= limits.stopLength;
  if (stops.length > limits.stops || !stops.every(isFine)) {
    throw bad(
      'stop',
      `stop is a text or up to ${limits.stops} texts of at most ${limits.stopLength} characters.`,
    );
  }
  return stops;
}

function logitBiasOf(value: unknown): ReadonlyMap<number, number> | undefined {
  if (isAbsent(value)) return undefined;
  const entries = typeof value === 'object' && !Array.isArray(value) ? Object.entries(value) : undefined;
  if (entries === undefined || entries.length > limits.biases)
    throw bad('logit_bias', `logit_bias maps up to ${limits.biases} tokens to numbers.`);
  return new Map(
    entries.map(([token, bias]: [string, unknown]) => {
      if (!/^\d{1,9}$/.test(token) || typeof bias !== 'number' || !(bias >= -100 && bias <= 100)) {
        throw bad('logit_bias', 'logit_bias maps token numbers to numbers from -100 to 100.');
      }
      return [Number(token), bias];
    }),
  );
}

function jsonSchemaOf(value: unknown): GenerationOptions['jsonSchema'] {
  if (isAbsent(value)) return undefined;
  if (typeof value === 'object') {
    const { type, json_schema: wrapper } = value as Body;
    if (type === 'text') return undefined;
    if (type === 'json_object') return true;
    if (type === 'json_schema' && typeof wrapper === 'object' && wrapper !== null) {
      const { schema, strict } = wrapper as Body;
      if (typeof schema === 'object' && schema !== null && !Array.isArray(schema))
        return grammarSchema(schema as Body, { isStrict: strict === true, param: 'response_format' });
    }
  }
  throw bad('response_format', 'response_format is text, json_object, or json_schema with a schema.');
}

function messageOf(value: unknown, param: string): ChatMessage {
  if (typeof value !== 'object' || value === null) throw bad(param, 'A message is an object.');
  const { role: given, content, tool_calls: calls, tool_call_id: callId, name } = value as Body;
  if (typeof given !== 'string' || given === '') throw bad(`${param}.role`, 'A message has a role.');
  const role = {
    role: given,
    ...(Array.isArray(calls) ? { tool_calls: calls as unknown[] } : {}),
    ...(typeof callId === 'string' ? { tool_call_id: callId } : {}),
    ...(typeof name === 'string' ? { name } : {}),
  };
  if (typeof content === 'string') return { ...role, content };
  if (isAbsent(content)) return { ...role, content: '' };
  if (!Array.isArray(content)) throw bad(`${param}.content`, 'content is a text or a list of parts.');
  const texts = content.map((part: unknown) => {
    const { type, text } = (typeof part === 'object' && part !== null ? part : {}) as Body;
    if (type !== 'text' || typeof text !== 'string')
      throw bad(`${param}.content`, 'Only text parts are read.', 'unsupported');
    return text;
  });
  return { ...role, content: texts.join('') };
}
