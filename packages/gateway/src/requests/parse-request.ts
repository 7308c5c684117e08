/** What the gateway needs to know of an inference request, and the bytes to send on. */
import {
  chatCompletionRequest,
  completionRequest,
  embeddingsRequest,
  moderationRequest,
  responsesRequest,
} from '@gantry/contract/foreign/openai';
import { splitModel } from './adapter-model.ts';
import type { InferenceRequest } from './inference-request.ts';
import { NestedTooDeep, parseJson } from '../http/parse-json.ts';
import type { Problem } from '../http/problem.ts';

export type Operation =
  | 'completions'
  | 'chat/completions'
  | 'embeddings'
  | 'responses'
  | 'responses/input_tokens'
  | 'moderations';

export const operationPaths: Readonly<Record<string, Operation>> = {
  '/v1/completions': 'completions',
  '/v1/chat/completions': 'chat/completions',
  '/v1/embeddings': 'embeddings',
  '/v1/responses': 'responses',
  '/v1/responses/input_tokens': 'responses/input_tokens',
  '/v1/moderations': 'moderations',
};

export type ParseOutcome =
  | {
      readonly request: InferenceRequest;
      /** Answer at once that it is under way; the items it was made from. */
      readonly background?: { readonly input: readonly unknown[] };
    }
  | { readonly problem: Problem };

/** Equal requests have equal answers. */
const fixedOperations: ReadonlySet<Operation> = new Set([
  'embeddings',
  'moderations',
  'responses/input_tokens',
]);

const usageAsked = Buffer.from('{"stream_options":{"include_usage":true},');

export function parseRequest(operation: Operation, bytes: Buffer): ParseOutcome {
  let value: unknown;
  try {
    value = parseJson(bytes);
  } catch (error) {
    return {
      problem: { code: 'invalid_json', ...(error instanceof NestedTooDeep ? { detail: error.message } : {}) },
    };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { problem: { code: 'invalid_json' } };
  const fields = value as Record<string, unknown>;
  const problem = firstProblem(operation, fields);
  if (problem !== undefined) return { problem };

  const isStream = fields['stream'] === true;
  const options = fields['stream_options'] as { include_usage?: unknown } | null | undefined;
  const hasUsageFrames = operation === 'completions' || operation === 'chat/completions';
  const stripUsage = isStream && hasUsageFrames && options?.include_usage !== true;
  const maxTokens = fields['max_completion_tokens'] ?? fields['max_tokens'] ?? fields['max_output_tokens'];
  const choices = typeof fields['n'] === 'number' ? fields['n'] : 1;
  const { name: model, adapter } = splitModel(fields['model'] as string);
  const sent = stripUsage ? askForUsage(fields, bytes) : bytes;
  const isFixed = fixedOperations.has(operation);
  return {
    request: {
      model,
      modelVersion: undefined,
      isStream,
      stripUsage,
      endsWithDone: hasUsageFrames,
      isDeterministic: !isStream && (isFixed || (operation !== 'responses' && fields['temperature'] === 0)),
      fields,
      bytes: sent,
      promptTokensEstimate: Math.ceil(bytes.length / 4),
      maxTokens: typeof maxTokens === 'number' ? maxTokens * choices : undefined,
      user: typeof fields['user'] === 'string' ? fields['user'] : undefined,
      toUpstream: (upstreamModel) => ({
        method: 'POST',
        path: `/v1/${operation}`,
        headers: {
          'content-type': 'application/json',
          accept: isStream ? 'text/event-stream' : 'application/json',
        },
        body:
          adapter === undefined && upstreamModel === model
            ? sent
            : withModel(sent, adapter === undefined ? upstreamModel : `${upstreamModel}:${adapter}`),
      }),
    },
  };
}

/** Splices at the first brace where it can: a long prompt is then not written out again. */
function askForUsage(fields: Record<string, unknown>, bytes: Buffer): Buffer {
  const brace = bytes.indexOf(0x7b);
  if (!('stream_options' in fields)) return Buffer.concat([usageAsked, bytes.subarray(brace + 1)]);
  const options = (fields['stream_options'] ?? {}) as Record<string, unknown>;
  return Buffer.from(JSON.stringify({ ...fields, stream_options: { ...options, include_usage: true } }));
}

/** The same request under the name that the engine knows. */
function withModel(bytes: Buffer, model: string): Buffer {
  return Buffer.from(JSON.stringify({ ...(JSON.parse(bytes.toString('utf8')) as object), model }));
}

const schemas = {
  completions: completionRequest,
  'chat/completions': chatCompletionRequest,
  embeddings: embeddingsRequest,
  responses: responsesRequest,
  'responses/input_tokens': responsesRequest,
  moderations: moderationRequest,
} satisfies Record<Operation, unknown>;

/** The first thing wrong, named as OpenAI names it: `messages.0.role`. Values are not repeated: they may be private. */
function firstProblem(operation: Operation, fields: Record<string, unknown>): Problem | undefined {
  const parsed = schemas[operation].safeParse(fields);
  const issue = parsed.error?.issues[0];
  if (issue === undefined) return undefined;
  const param = issue.path.join('.');
  return { code: 'invalid_request', param, detail: `\`${param}\`: ${issue.message}.` };
}
