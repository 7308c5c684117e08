/** An answer that is no stream: kept until it is whole, within a limit. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { binaryHeader } from '@gantry/contract/foreign/oip';

export class WholeAnswer {
  head: IncomingHttpHeaders = {};
  readonly #maxBytes: number;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** False: it is larger than may be kept. */
  push(chunk: Buffer): boolean {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    return this.#bytes <= this.#maxBytes;
  }

  body(): Buffer {
    const [only] = this.#chunks;
    return this.#chunks.length === 1 && only !== undefined ? only : Buffer.concat(this.#chunks);
  }

  /** What the client must know to read it. */
  headers(): OutgoingHttpHeaders {
    const binaryLength = this.head[binaryHeader];
    const retryAfter = this.head['retry-after'];
    return {
      'content-type': this.head['content-type'] ?? 'application/json',
      ...(binaryLength === undefined ? {} : { [binaryHeader]: binaryLength }),
      ...(retryAfter === undefined ? {} : { 'retry-after': retryAfter }),
    };
  }
}
