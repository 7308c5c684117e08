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
  const verb = path.verb === 'metadata' ? '' : `/${path.verb}`;
  const binaryLength = headers[binaryHeader];
  const sequence = isInfer ? sequenceOf(bytes, Number(binaryLength ?? bytes.length)) : undefined;
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
    ...(sequence === undefined ? {} : { sequence }),
    toUpstream: (model, version) => ({
      method: isInfer ? 'POST' : 'GET',
      path: `/v2/models/${encodeURIComponent(model)}${versionPath(version)}${verb}`,
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

const versionPath = (version: string | undefined): string =>
  version === undefined ? '' : `/versions/${encodeURIComponent(version)}`;

const sequenceKey = '"sequence_id"';
const sequencePattern = /^"sequence_id"\s*:\s*(?:"((?:[^"\\]|\\.)+)"|(\d+))/;

/** Triton's correlation id, a number or a text; 0 is none. Texts of tensors have their quotes escaped. */
function sequenceOf(bytes: Buffer, jsonLength: number): string | undefined {
  const at = bytes.indexOf(sequenceKey);
  if (at === -1 || at >= jsonLength) return undefined;
  const found = sequencePattern.exec(bytes.toString('latin1', at, Math.min(jsonLength, at + 512)));
  const sequence = found?.[1] ?? found?.[2];
  return sequence === '0' ? undefined : sequence;
}

export const wantsEvents = ({ accept }: IncomingHttpHeaders): boolean =>
  accept?.includes('text/event-stream') === true;
