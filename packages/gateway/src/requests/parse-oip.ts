/**
 * The Open Inference Protocol's paths. Tensors are not looked into: they may be megabytes, in JSON or in binary
 * behind it, and the engine checks them against the model's signature anyway.
 */
import { binaryHeader } from '@gantry/contract/foreign/oip';
import type { IncomingHttpHeaders } from 'node:http';
import type { InferenceRequest } from './inference-request.ts';

export interface OipPath {
  readonly model: string;
  readonly version: string | undefined;
  readonly verb: 'metadata' | 'ready' | 'infer';
}

const pattern = /^\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?(?:\/(ready|infer))?$/;

export function parseOipPath(path: string): OipPath | undefined {
  const match = pattern.exec(path);
  if (match === null) return undefined;
  try {
    return {
      model: decodeURIComponent(match[1] ?? ''),
      version: match[2] === undefined ? undefined : decodeURIComponent(match[2]),
      verb: (match[3] as 'ready' | 'infer' | undefined) ?? 'metadata',
    };
  } catch {
    return undefined;
  }
}

export function toOipRequest(path: OipPath, bytes: Buffer, headers: IncomingHttpHeaders): InferenceRequest {
  const isInfer = path.verb === 'infer';
  const binaryLength = headers[binaryHeader];
  return {
    model: path.model,
    modelVersion: path.version,
    isStream: false,
    stripUsage: false,
    endsWithDone: false,
    isDeterministic: false,
    fields: {},
    bytes,
    promptTokensEstimate: Math.ceil(bytes.length / 4),
    maxTokens: 0,
    user: undefined,
    oip: { ...path, isBinary: typeof binaryLength === 'string' },
    toUpstream: (model) => ({
      method: isInfer ? 'POST' : 'GET',
      path: `/v2/models/${encodeURIComponent(model)}${isInfer ? '/infer' : ''}`,
      headers: {
        // A server that answers one request with several may say each as it comes.
        accept: isInfer && wantsEvents(headers) ? 'text/event-stream, */*' : '*/*',
        ...(isInfer ? { 'content-type': headers['content-type'] ?? 'application/json' } : {}),
        ...(typeof binaryLength === 'string' ? { [binaryHeader]: binaryLength } : {}),
      },
      body: isInfer ? bytes : null,
    }),
  };
}

export const wantsEvents = ({ accept }: IncomingHttpHeaders): boolean =>
  accept?.includes('text/event-stream') === true;
