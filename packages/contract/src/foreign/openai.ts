/**
 * OpenAI's dialect as far as a gateway must understand it (openai/openai-openapi, version 2.3.0). Objects are
 * loose: what we do not know goes through to the engine, which may. `null` means absent, as in the API itself.
 */
import { z } from 'zod';

const absentOr = <T extends z.ZodType>(schema: T) => schema.nullish();
const fraction = z.number().min(0).max(1);

/**
 * How many of a thing one request may hold. A gateway reads requests of many tenants one after the other, so none may
 * cost it much: lists are counted before anything in them is looked at.
 */
const most = {
  /** OpenAI's own for embeddings. */
  texts: 2_048,
  tokens: 1_048_576,
  messages: 16_384,
  parts: 16_384,
  tools: 1_024,
  biases: 16_384,
} as const;

const counted = <T extends z.ZodType>(item: T, atMost: number) =>
  z.array(z.unknown()).max(atMost).pipe(z.array(item));

const isToken = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 0;
const isTokens = (value: unknown): value is unknown[] =>
  Array.isArray(value) && value.length <= most.tokens && value.every(isToken);

/** In one pass that keeps nothing: of a million tokens, a union of schemas would write a million complaints. */
const isPrompt = (value: unknown): boolean => {
  if (typeof value === 'string') return true;
  if (!Array.isArray(value) || value.length === 0) return false;
  if (isToken(value[0])) return isTokens(value);
  if (value.length > most.texts) return false;
  if (typeof value[0] === 'string') return value.every((each) => typeof each === 'string');
  return value.every(isTokens) && value.reduce((sum, list) => sum + list.length, 0) <= most.tokens;
};
const promptSchema = z.custom<string | readonly unknown[]>(
  isPrompt,
  `expected a text, up to ${most.texts} texts, or up to ${most.tokens} tokens`,
);

const isBias = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.keys(value).length <= most.biases;

const streamOptions = z.looseObject({ include_usage: absentOr(z.boolean()) });

const common = {
  model: z.string().min(1).max(256),
  user: absentOr(z.string().max(1_024)),
};

const sampling = {
  ...common,
  stream: absentOr(z.boolean()),
  stream_options: absentOr(streamOptions),
  n: absentOr(z.int().min(1).max(128)),
  temperature: absentOr(z.number().min(0).max(2)),
  top_p: absentOr(fraction),
  presence_penalty: absentOr(z.number().min(-2).max(2)),
  frequency_penalty: absentOr(z.number().min(-2).max(2)),
  stop: absentOr(z.union([z.string(), z.array(z.string()).max(16)])),
  seed: absentOr(z.int()),
  logit_bias: absentOr(z.custom(isBias, `expected an object of at most ${most.biases} tokens`)),
};

const tools = absentOr(z.array(z.unknown()).max(most.tools));

export const completionRequest = z.looseObject({
  ...sampling,
  prompt: promptSchema,
  // 0 is allowed here: with `echo` it scores a prompt.
  max_tokens: absentOr(z.int().min(0)),
  echo: absentOr(z.boolean()),
  logprobs: absentOr(z.int().min(0).max(20)),
});

/** `content` may be absent or null on an assistant's message that calls tools. */
const chatMessage = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
  content: z.union([z.string(), counted(z.looseObject({ type: z.string() }), most.parts)]).nullish(),
});

export const chatCompletionRequest = z.looseObject({
  ...sampling,
  messages: counted(chatMessage, most.messages).refine((list) => list.length > 0, 'expected at least one'),
  tools,
  max_tokens: absentOr(z.int().min(1)),
  max_completion_tokens: absentOr(z.int().min(1)),
  logprobs: absentOr(z.boolean()),
  top_logprobs: absentOr(z.int().min(0).max(20)),
});

export const embeddingsRequest = z.looseObject({
  ...common,
  input: promptSchema.refine((input) => input !== '', 'expected a text that is not empty'),
  encoding_format: absentOr(z.enum(['float', 'base64'])),
  dimensions: absentOr(z.int().min(1)),
});

export const moderationRequest = z.looseObject({
  ...common,
  input: z.union([z.string(), z.array(z.unknown()).min(1).max(most.texts)]),
});

export const responsesRequest = z.looseObject({
  ...common,
  input: z.union([z.string(), z.array(z.unknown()).max(most.messages)]),
  tools,
  stream: absentOr(z.boolean()),
  max_output_tokens: absentOr(z.int().min(1)),
  temperature: absentOr(z.number().min(0).max(2)),
  top_p: absentOr(fraction),
});
