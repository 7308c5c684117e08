/** The JSON body of a request, within a limit that holds while it arrives, not after. */
import type { IncomingMessage } from 'node:http';
import { EngineError } from '../engine-error.ts';

export async function readJson(request: IncomingMessage, limitBytes: number): Promise<unknown> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.byteLength;
    if (length > limitBytes)
      throw new EngineError('body_too_large', `A body has at most ${limitBytes} bytes.`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (cause) {
    throw new EngineError('invalid_json', 'The body is not valid JSON.', { cause });
  }
}
