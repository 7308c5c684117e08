/** An answer that is kept in memory, for calls that come over no socket of their own. */
import type { OutgoingHttpHeaders } from 'node:http';
import { Writable } from 'node:stream';
import type { GatewayResponse } from './wire.ts';

export interface InsideAnswer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
}

export class InsideResponse extends Writable implements GatewayResponse {
  headersSent = false;
  #status = 0;
  #headers: OutgoingHttpHeaders = {};
  readonly #chunks: Buffer[] = [];
  readonly #onEvents: ((chunk: Buffer) => void) | undefined;

  /** `onEvents` takes the chunks of an event stream; they are not kept then. */
  constructor(onEvents?: (chunk: Buffer) => void) {
    super();
    this.#onEvents = onEvents;
  }

  setHeader(name: string, value: string | number): void {
    this.#headers[name] = value;
  }

  writeHead(status: number, headers: OutgoingHttpHeaders = {}): void {
    this.headersSent = true;
    this.#status = status;
    this.#headers = { ...this.#headers, ...headers };
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.#onEvents !== undefined && this.#isEventStream()) this.#onEvents(chunk);
    else this.#chunks.push(chunk);
    done();
  }

  #isEventStream(): boolean {
    return String(this.#headers['content-type'] ?? '').startsWith('text/event-stream');
  }

  answer(): InsideAnswer {
    return { status: this.#status, headers: this.#headers, body: Buffer.concat(this.#chunks) };
  }
}
