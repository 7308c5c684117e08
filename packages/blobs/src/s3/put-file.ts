/**
 * A file → an object. Small ones in one request, large ones in parts that become an object only when all are there.
 * Every request carries the SHA-256 of its bytes, so what was damaged on the way is refused by the server.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { GantryError } from '@gantry/contract';
import { s3Error } from './s3-errors.ts';
import type { S3Sender } from './s3-request.ts';
import { escapeXml, readElement } from './xml.ts';

export interface FileToPut {
  readonly bucket: string;
  readonly key: string;
  readonly path: string;
  readonly signal?: AbortSignal | undefined;
}

const mib = 1024 ** 2;
const wholeLimitBytes = 32 * mib;
const smallestPartBytes = 16 * mib;
/** Amazon takes 10,000 parts at most. */
const mostParts = 9_000;
const partsAtOnce = 3;

export async function putFile(sender: S3Sender, file: FileToPut): Promise<{ readonly etag: string }> {
  const { size } = await stat(file.path);
  return size <= wholeLimitBytes ? putWhole(sender, file, size) : putParts(sender, file, size);
}

async function putWhole(
  sender: S3Sender,
  { bucket, key, path, signal }: FileToPut,
  bytes: number,
): Promise<{ etag: string }> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  const answer = await sender.send({
    method: 'PUT',
    what: `writing s3://${bucket}/${key}`,
    bucket,
    key,
    body: { bytes, sha256: hash.digest('hex'), open: () => createReadStream(path) },
    signal,
  });
  await answer.text();
  return { etag: (answer.header('etag') ?? '').replaceAll('"', '') };
}

async function putParts(sender: S3Sender, file: FileToPut, bytes: number): Promise<{ etag: string }> {
  const { bucket, key, signal } = file;
  const what = `writing s3://${bucket}/${key}`;
  const partBytes = Math.max(smallestPartBytes, Math.ceil(bytes / mostParts / mib) * mib);
  const begun = await sender.send({ method: 'POST', what, bucket, key, query: { uploads: '' }, signal });
  const uploadId = readElement(await begun.text(), 'UploadId');
  if (uploadId === undefined) throw s3Error(what, { status: 502, text: 'no upload id' });
  try {
    await using handle = await open(file.path, 'r');
    const etags = await sendParts(sender, { ...file, what, uploadId }, handle, bytes, partBytes);
    const parts = etags.map(
      (etag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`,
    );
    const body = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`);
    const ended = await sender.send({
      method: 'POST',
      what,
      bucket,
      key,
      query: { uploadId },
      body: {
        bytes: body.length,
        sha256: createHash('sha256').update(body).digest('hex'),
        open: () => body,
      },
      signal,
    });
    // A failure on the way to the end is told with status 200.
    const text = await ended.text();
    if (text.includes('<Error>')) throw s3Error(what, { status: 500, text });
    return { etag: (readElement(text, 'ETag') ?? '').replaceAll('"', '') };
  } catch (error) {
    await sender
      .send({ method: 'DELETE', what, bucket, key, query: { uploadId }, expects: [404] })
      .then((answer) => answer.text())
      .catch(() => undefined); // servers drop what was never completed by their own rules
    throw error;
  }
}

async function sendParts(
  sender: S3Sender,
  upload: FileToPut & { readonly what: string; readonly uploadId: string },
  handle: FileHandle,
  bytes: number,
  partBytes: number,
): Promise<readonly string[]> {
  const { bucket, key, what, uploadId, signal } = upload;
  const count = Math.ceil(bytes / partBytes);
  const etags: string[] = [];
  let next = 0;
  const sendNext = async (): Promise<void> => {
    for (let at = next++; at < count; at = next++) {
      const part = Buffer.allocUnsafe(Math.min(partBytes, bytes - at * partBytes));
      const { bytesRead } = await handle.read(part, 0, part.length, at * partBytes);
      if (bytesRead !== part.length)
        throw new GantryError('version_conflict', `${what}: the file changed while it was sent`);
      const answer = await sender.send({
        method: 'PUT',
        what,
        bucket,
        key,
        query: { partNumber: String(at + 1), uploadId },
        body: {
          bytes: part.length,
          sha256: createHash('sha256').update(part).digest('hex'),
          open: () => part,
        },
        signal,
      });
      await answer.text();
      etags[at] = answer.header('etag') ?? '';
    }
  };
  await Promise.all(Array.from({ length: Math.min(partsAtOnce, count) }, sendNext));
  return etags;
}
