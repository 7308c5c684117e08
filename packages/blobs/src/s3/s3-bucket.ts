/** The objects of one bucket: listed, looked at, read from any byte on, written whole or not at all, deleted. */
import { s3Error } from './s3-errors.ts';
import { putFile } from './put-file.ts';
import { type S3Patience, type S3Sender, createS3Sender } from './s3-request.ts';
import type { S3Settings } from './s3-settings.ts';
import { innersOf, readElement } from './xml.ts';

export interface S3Object {
  readonly key: string;
  readonly bytes: number;
  /** Without quotes; empty where the server has none. */
  readonly etag: string;
  readonly modifiedMs: number;
}

export interface S3Read {
  readonly fromByte?: number;
  readonly lengthBytes?: number;
  /** Only while it is this version; else `version_conflict`. */
  readonly etag?: string;
}

export interface S3Bucket extends AsyncDisposable {
  readonly name: string;
  /** In the order of their keys. */
  list(prefix: string, signal?: AbortSignal): AsyncIterable<S3Object>;
  /** Undefined when there is none. */
  head(key: string): Promise<S3Object | undefined>;
  /** The server may break off: what came so far is true, the rest is asked for anew. */
  get(key: string, read?: S3Read, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  /** Durable when it resolves; readers see the old object or the new one. */
  putFile(key: string, path: string, signal?: AbortSignal): Promise<{ readonly etag: string }>;
  delete(key: string): Promise<void>;
}

export function openS3Bucket(settings: S3Settings, name: string, patience?: S3Patience): S3Bucket {
  const sender = createS3Sender(settings, patience);
  const at = (key: string): string => `s3://${name}/${key}`;
  return {
    name,
    list: (prefix, signal) => listObjects(sender, name, prefix, signal),
    head: async (key) => {
      const answer = await sender.send({
        method: 'HEAD',
        what: `looking at ${at(key)}`,
        bucket: name,
        key,
        expects: [404],
      });
      await answer.text();
      if (answer.status === 404) return undefined;
      return {
        key,
        bytes: Number(answer.header('content-length') ?? 0),
        etag: unquoted(answer.header('etag') ?? ''),
        modifiedMs: Date.parse(answer.header('last-modified') ?? '') || 0,
      };
    },
    get: async (key, read = {}, signal) => {
      const { fromByte = 0, lengthBytes, etag } = read;
      const last = lengthBytes === undefined ? '' : fromByte + lengthBytes - 1;
      const isPart = fromByte > 0 || lengthBytes !== undefined;
      const what = `reading ${at(key)}`;
      const answer = await sender.send({
        method: 'GET',
        what,
        bucket: name,
        key,
        headers: {
          ...(isPart ? { range: `bytes=${fromByte}-${last}` } : {}),
          ...(etag === undefined || etag === '' ? {} : { 'if-match': `"${etag}"` }),
        },
        signal,
      });
      if (isPart && answer.status !== 206)
        throw s3Error(what, { status: 501, text: 'the server does not know ranges' });
      return answer.body;
    },
    putFile: (key, path, signal) => putFile(sender, { bucket: name, key, path, signal }),
    delete: async (key) => {
      const answer = await sender.send({
        method: 'DELETE',
        what: `deleting ${at(key)}`,
        bucket: name,
        key,
        expects: [404],
      });
      await answer.text();
    },
    [Symbol.asyncDispose]: () => sender[Symbol.asyncDispose](),
  };
}

const unquoted = (etag: string): string => etag.replace(/^(?:W\/)?"(.*)"$/, '$1');

async function* listObjects(
  sender: S3Sender,
  bucket: string,
  prefix: string,
  signal: AbortSignal | undefined,
): AsyncIterable<S3Object> {
  let token: string | undefined;
  do {
    const answer = await sender.send({
      method: 'GET',
      what: `listing s3://${bucket}/${prefix}`,
      bucket,
      query: {
        'list-type': '2',
        'encoding-type': 'url',
        prefix,
        ...(token === undefined ? {} : { 'continuation-token': token }),
      },
      signal,
    });
    const xml = await answer.text();
    const isEncoded = readElement(xml, 'EncodingType') === 'url';
    for (const entry of innersOf(xml, 'Contents')) {
      const key = readElement(entry, 'Key') ?? '';
      yield {
        key: isEncoded ? decodeURIComponent(key.replaceAll('+', ' ')) : key,
        bytes: Number(readElement(entry, 'Size') ?? 0),
        etag: unquoted(readElement(entry, 'ETag') ?? ''),
        modifiedMs: Date.parse(readElement(entry, 'LastModified') ?? '') || 0,
      };
    }
    const isMore = readElement(xml, 'IsTruncated') === 'true';
    token = isMore ? readElement(xml, 'NextContinuationToken') : undefined;
  } while (token !== undefined);
}
