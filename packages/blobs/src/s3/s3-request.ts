/**
 * One request to an S3 server: signed (Signature Version 4), sent, and sent again while the server or the network is
 * at fault. Credentials appear in signatures only, never in an error.
 */
import { GantryError } from '@gantry/contract';
import { pause } from '@gantry/kit';
import { AwsV4Signer } from 'aws4fetch';
import { Agent, type Dispatcher, request } from 'undici';
import { s3Error, s3Unreachable } from './s3-errors.ts';
import type { S3Settings } from './s3-settings.ts';

export interface S3Patience {
  /** How often a request is sent at most. */
  readonly attempts: number;
  /** Doubled each time, up to 5 s. */
  readonly firstDelayMs: number;
  /** Without a byte for so long, the answer counts as lost. */
  readonly silenceMs: number;
}

export const usualPatience: S3Patience = { attempts: 6, firstDelayMs: 200, silenceMs: 30_000 };

export interface S3Ask {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** What is done, for errors: `reading s3://bucket/key`. */
  readonly what: string;
  readonly bucket: string;
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** `sha256` in hex of what `open` gives; the server refuses other bytes. */
  readonly body?: {
    readonly bytes: number;
    readonly sha256: string;
    open(): Uint8Array | AsyncIterable<Uint8Array>;
  };
  /** Statuses from 400 on that are an answer, not an error. */
  readonly expects?: readonly number[];
  readonly signal?: AbortSignal | undefined;
}

export interface S3Answer {
  readonly status: number;
  header(name: string): string | undefined;
  readonly body: AsyncIterable<Uint8Array>;
  text(): Promise<string>;
}

export interface S3Sender extends AsyncDisposable {
  send(ask: S3Ask): Promise<S3Answer>;
}

/** SHA-256 of nothing. */
const emptyHash = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const textLimitBytes = 16 * 1024 ** 2;

export function createS3Sender(settings: S3Settings, patience: S3Patience = usualPatience): S3Sender {
  const agent = new Agent({
    connect: { timeout: 10_000 },
    headersTimeout: patience.silenceMs,
    bodyTimeout: patience.silenceMs,
  });
  const keys = new Map<string, ArrayBuffer>();

  const once = async (ask: S3Ask): Promise<S3Answer> => {
    const { method, body } = ask;
    const url = urlOf(settings, ask);
    const plain = { ...ask.headers, 'x-amz-content-sha256': body?.sha256 ?? emptyHash };
    const headers =
      settings.credentials === undefined
        ? plain
        : await sign(settings, keys, { method, url, headers: plain });
    const answer = await request(url, {
      method,
      headers: body === undefined ? headers : { ...headers, 'content-length': String(body.bytes) },
      body: (body?.open() ?? null) as Dispatcher.DispatchOptions['body'] & null,
      dispatcher: agent,
      signal: ask.signal ?? null,
    });
    return toAnswer(answer);
  };

  return {
    send: async (ask) => {
      const signal = ask.signal ?? new AbortController().signal;
      for (let attempt = 1; ; attempt += 1) {
        let failure: GantryError;
        try {
          const answer = await once(ask);
          if (answer.status < 300 || ask.expects?.includes(answer.status) === true) return answer;
          failure = s3Error(ask.what, { status: answer.status, text: await answer.text() });
        } catch (error) {
          if (signal.aborted) throw error;
          failure = error instanceof GantryError ? error : s3Unreachable(ask.what, error);
        }
        if (failure.code !== 'storage_unavailable' || attempt >= patience.attempts) throw failure;
        await pause(Math.min(5_000, patience.firstDelayMs * 2 ** (attempt - 1)), signal);
        signal.throwIfAborted();
      }
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  };
}

function toAnswer({ statusCode, headers, body }: Dispatcher.ResponseData): S3Answer {
  return {
    status: statusCode,
    header: (name) => {
      const value = headers[name];
      return Array.isArray(value) ? value[0] : value;
    },
    body: body as AsyncIterable<Uint8Array>,
    text: async () => {
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        bytes += chunk.byteLength;
        if (bytes > textLimitBytes)
          throw new GantryError('data_invalid', 'the S3 server answered with more than 16 MiB of text');
        chunks.push(chunk);
      }
      return Buffer.concat(chunks).toString('utf8');
    },
  };
}

async function sign(
  { credentials, region }: S3Settings,
  cache: Map<string, ArrayBuffer>,
  ask: { readonly method: string; readonly url: string; readonly headers: Record<string, string> },
): Promise<Record<string, string>> {
  if (credentials === undefined) return ask.headers;
  const { headers } = await new AwsV4Signer({ ...ask, ...credentials, region, service: 's3', cache }).sign();
  return Object.fromEntries(headers);
}

/** RFC 3986: everything but the unreserved characters is escaped, as the signature wants it. */
const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

function urlOf({ endpoint, isPathStyle }: S3Settings, { bucket, key, query = {} }: S3Ask): string {
  const path = (key ?? '').split('/').map(encode).join('/');
  const base = isPathStyle
    ? `${endpoint}/${bucket}/${path}`
    : `${endpoint.replace('://', `://${bucket}.`)}/${path}`;
  const search = Object.entries(query)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .join('&');
  return search === '' ? base : `${base}?${search}`;
}
