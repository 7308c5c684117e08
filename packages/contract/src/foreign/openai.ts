/**
 * OpenAI's dialect as far as a gateway must understand it (openai/openai-openapi, version 2.3.0). Objects are
 * loose: what we do not know goes through to the engine, which may. `null` means absent, as in the API itself.
 */
import { z } from 'zod';

const absentOr = <T extends z.ZodType>(schema: T) => schema.nullish();
const fraction = z.number().min(0).max(1);

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
};

const tokenIds = z.array(z.int().min(0));

export const completionRequest = z.looseObject({
  ...sampling,
  prompt: z.union([z.string(), z.array(z.string()).min(1), tokenIds, z.array(tokenIds)]),
  // 0 is allowed here: with `echo` it scores a prompt.
  max_tokens: absentOr(z.int().min(0)),
  echo: absentOr(z.boolean()),
  logprobs: absentOr(z.int().min(0).max(20)),
});

/** `content` may be absent or null on an assistant's message that calls tools. */
const chatMessage = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
  content: z.union([z.string(), z.array(z.looseObject({ type: z.string() }))]).nullish(),
});

export const chatCompletionRequest = z.looseObject({
  ...sampling,
  messages: z.array(chatMessage).min(1),
  max_tokens: absentOr(z.int().min(1)),
  max_completion_tokens: absentOr(z.int().min(1)),
  logprobs: absentOr(z.boolean()),
  top_logprobs: absentOr(z.int().min(0).max(20)),
});

export const embeddingsRequest = z.looseObject({
  ...common,
  input: z.union([z.string().min(1), z.array(z.string()).min(1), tokenIds.min(1), z.array(tokenIds)]),
  encoding_format: absentOr(z.enum(['float', 'base64'])),
  dimensions: absentOr(z.int().min(1)),
});

export const moderationRequest = z.looseObject({
  ...common,
  input: z.union([z.string(), z.array(z.unknown()).min(1)]),
});

export const responsesRequest = z.looseObject({
  ...common,
  input: z.union([z.string(), z.array(z.unknown())]),
  stream: absentOr(z.boolean()),
  max_output_tokens: absentOr(z.int().min(1)),
  temperature: absentOr(z.number().min(0).max(2)),
  top_p: absentOr(fraction),
});
