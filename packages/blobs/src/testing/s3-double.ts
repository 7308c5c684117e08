/**
 * An S3 server in this process, for tests: real HTTP, signatures checked by a second reading of Signature Version 4
 * (AWS General Reference, "Create a signed API request"), objects in memory, and faults on demand.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { S3Settings } from '../s3/s3-settings.ts';
import { escapeXml, innersOf, readElement } from '../s3/xml.ts';

export interface StoredObject {
  readonly body: Buffer;
  readonly etag: string;
  readonly modified: Date;
}

export interface SeenRequest {
  readonly method: string;
  readonly key: string;
  readonly query: URLSearchParams;
  readonly range: string | undefined;
}

/** What goes wrong with a request: an error document, or the answer as told so far and then nothing good. */
export type Fault =
  | { readonly status: number; readonly code: string }
  | { readonly breakAfterBytes: number }
  | { readonly stallAfterBytes: number }
  | { readonly damageByte: number };

export interface S3Double extends AsyncDisposable {
  readonly settings: S3Settings;
  readonly buckets: Map<string, Map<string, StoredObject>>;
  readonly requests: SeenRequest[];
  /** Asked before every request that is signed well. */
  faultOf: (request: SeenRequest) => Fault | undefined;
  put(bucket: string, key: string, body: string | Buffer): void;
  text(bucket: string, key: string): string | undefined;
}

const credentials = { accessKeyId: 'GANTRYTESTKEY', secretAccessKey: 'test/secret+key' };
const pageSize = 3;

class Refused extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string) {
    super(code);
    this.status = status;
    this.code = code;
  }
}

export async function startS3Double(): Promise<S3Double> {
  const buckets: S3Double['buckets'] = new Map([['data', new Map<string, StoredObject>()]]);
  const uploads = new Map<string, Map<number, Buffer>>();
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      const { status, code } = error instanceof Refused ? error : { status: 500, code: 'InternalError' };
      response.writeHead(status, { 'content-type': 'application/xml' });
      response.end(`<Error><Code>${code}</Code><Message>${escapeXml(String(error))}</Message></Error>`);
    });
  });

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url ?? '/', 'http://double');
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    checkSignature(request, url, body);
    const [, bucketName = '', ...rest] = url.pathname.split('/').map(decodeURIComponent);
    const key = rest.join('/');
    const method = request.method ?? 'GET';
    const seen = { method, key, query: url.searchParams, range: request.headers.range };
    double.requests.push(seen);
    const fault = double.faultOf(seen);
    if (fault !== undefined && 'status' in fault) throw new Refused(fault.status, fault.code);
    const bucket = buckets.get(bucketName);
    if (bucket === undefined) throw new Refused(404, 'NoSuchBucket');
    const uploadId = url.searchParams.get('uploadId');
    if (method === 'GET' && url.searchParams.get('list-type') === '2')
      return void response.end(listing(bucket, url.searchParams));
    if (method === 'POST' && url.searchParams.has('uploads')) {
      const id = randomBytes(8).toString('hex');
      uploads.set(id, new Map());
      return void response.end(`<R><UploadId>${id}</UploadId></R>`);
    }
    if (uploadId !== null) {
      const parts = uploads.get(uploadId);
      if (parts === undefined) throw new Refused(404, 'NoSuchUpload');
      if (method === 'DELETE') {
        uploads.delete(uploadId);
        return void response.writeHead(204).end();
      }
      if (method === 'PUT') {
        parts.set(Number(url.searchParams.get('partNumber')), body);
        return void response.writeHead(200, { etag: `"${md5(body)}"` }).end();
      }
      const named = [...innersOf(body.toString(), 'Part')].map((part) => {
        const bytes = parts.get(Number(readElement(part, 'PartNumber')));
        if (bytes === undefined || readElement(part, 'ETag') !== `"${md5(bytes)}"`)
          throw new Refused(400, 'InvalidPart');
        return bytes;
      });
      const sums = Buffer.concat(named.map((bytes) => Buffer.from(md5(bytes), 'hex')));
      const etag = `${md5(sums)}-${named.length}`;
      bucket.set(key, { body: Buffer.concat(named), etag, modified: new Date() });
      uploads.delete(uploadId);
      return void response.end(`<R><ETag>&quot;${etag}&quot;</ETag></R>`);
    }
    if (method === 'PUT') {
      bucket.set(key, { body, etag: md5(body), modified: new Date() });
      return void response.writeHead(200, { etag: `"${md5(body)}"` }).end();
    }
    if (method === 'DELETE') {
      bucket.delete(key);
      return void response.writeHead(204).end();
    }
    const object = bucket.get(key);
    if (object === undefined) throw new Refused(404, 'NoSuchKey');
    const wanted = request.headers['if-match'];
    if (wanted !== undefined && wanted !== `"${object.etag}"`) throw new Refused(412, 'PreconditionFailed');
    give(response, object, seen, fault);
  };

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const double: S3Double = {
    settings: {
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      region: 'us-east-1',
      isPathStyle: true,
      credentials,
    },
    buckets,
    requests: [],
    faultOf: () => undefined,
    put: (bucket, key, text) => {
      const body = Buffer.from(text);
      const objects = buckets.get(bucket) ?? new Map<string, StoredObject>();
      buckets.set(bucket, objects.set(key, { body, etag: md5(body), modified: hourAgo() }));
    },
    text: (bucket, key) => buckets.get(bucket)?.get(key)?.body.toString(),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return double;
}

const hourAgo = (): Date => new Date(Date.now() - 3_600_000);
const md5 = (bytes: Buffer): string => createHash('md5').update(bytes).digest('hex');
const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');
const hmac = (key: Buffer | string, text: string): Buffer => createHmac('sha256', key).update(text).digest();
const rfc3986 = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

function checkSignature({ method, headers }: IncomingMessage, url: URL, body: Buffer): void {
  const [, keyId, date, region, names, signature] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    ) ?? [];
  if (names === undefined || signature === undefined || date === undefined || region === undefined)
    throw new Refused(403, 'AccessDenied');
  if (keyId !== credentials.accessKeyId) throw new Refused(403, 'InvalidAccessKeyId');
  if (headers['x-amz-content-sha256'] !== sha256(body)) throw new Refused(400, 'XAmzContentSHA256Mismatch');
  const query = [...url.searchParams]
    .map(([name, value]) => `${rfc3986(name)}=${rfc3986(value)}`)
    .sort()
    .join('&');
  const canonical = [
    method,
    url.pathname.split('/').map(decodeURIComponent).map(rfc3986).join('/'),
    query,
    ...names.split(';').map((name) => `${name}:${String(headers[name])}`),
    '',
    names,
    headers['x-amz-content-sha256'],
  ].join('\n');
  const scope = `${date}/${region}/s3/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, sha256(canonical)].join('\n');
  const key = [region, 's3', 'aws4_request'].reduce<Buffer>(
    (derived, part) => hmac(derived, part),
    hmac(`AWS4${credentials.secretAccessKey}`, date),
  );
  if (!timingSafeEqual(hmac(key, text), Buffer.from(signature, 'hex')))
    throw new Refused(403, 'SignatureDoesNotMatch');
}

function listing(bucket: ReadonlyMap<string, StoredObject>, query: URLSearchParams): string {
  const after = query.get('continuation-token') ?? '';
  const keys = [...bucket.keys()]
    .filter((key) => key.startsWith(query.get('prefix') ?? '') && key > after)
    .sort();
  const page = keys.slice(0, pageSize);
  const entries = page.map((key) => {
    const { body, etag, modified } = bucket.get(key) as StoredObject;
    return `<Contents><Key>${rfc3986(key)}</Key><Size>${body.length}</Size><ETag>&quot;${etag}&quot;</ETag><LastModified>${modified.toISOString()}</LastModified></Contents>`;
  });
  const next =
    keys.length > page.length
      ? `<IsTruncated>true</IsTruncated><NextContinuationToken>${escapeXml(page.at(-1) ?? '')}</NextContinuationToken>`
      : '<IsTruncated>false</IsTruncated>';
  return `<ListBucketResult><EncodingType>url</EncodingType>${next}${entries.join('')}</ListBucketResult>`;
}

function give(
  response: ServerResponse,
  { body, etag, modified }: StoredObject,
  { method, range }: SeenRequest,
  fault: Fault | undefined,
): void {
  const [, from = '0', to = ''] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
  if (Number(from) >= body.length && range !== undefined) throw new Refused(416, 'InvalidRange');
  const part = Buffer.from(body.subarray(Number(from), to === '' ? undefined : Number(to) + 1));
  if (fault !== undefined && 'damageByte' in fault)
    part[fault.damageByte] = (part[fault.damageByte] ?? 0) ^ 1;
  response.writeHead(range === undefined ? 200 : 206, {
    etag: `"${etag}"`,
    'content-length': part.length,
    'last-modified': modified.toUTCString(),
  });
  if (method === 'HEAD') return void response.end();
  if (fault !== undefined && 'breakAfterBytes' in fault)
    return void response.write(part.subarray(0, fault.breakAfterBytes), () => response.destroy());
  if (fault !== undefined && 'stallAfterBytes' in fault)
    return void response.write(part.subarray(0, fault.stallAfterBytes));
  response.end(part);
}
