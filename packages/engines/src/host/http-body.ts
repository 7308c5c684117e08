/** Bodies in and out. A limit holds while a body arrives, not after. */
import { isDeeperThan, maxJsonDepth } from '@gantry/kit';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { EngineError } from '../engine-error.ts';

/** `body_too_large` as soon as more has come. */
export async function readBytes(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.byteLength;
    if (length > limitBytes)
      throw new EngineError('body_too_large', `A body has at most ${limitBytes} bytes.`);
    chunks.push(chunk);
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

/** `body_too_large`, or `invalid_json` as of `parseJson`. */
export async function readJson(request: IncomingMessage, limitBytes: number): Promise<unknown> {
  return parseJson(await readBytes(request, limitBytes));
}

/** `invalid_json` for what is none, and for what nests deeper than is good for whoever walks it. */
export function parseJson(bytes: Buffer): unknown {
  if (isDeeperThan(bytes, maxJsonDepth))
    throw new EngineError('invalid_json', `Lists and objects nest more than ${maxJsonDepth} deep.`);
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new EngineError('invalid_json', 'The body is not valid JSON.', { cause });
  }
}

/** Ends the answer. */
export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.byteLength });
  response.end(bytes);
}
