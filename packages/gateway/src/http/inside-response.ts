/** An answer that is kept in memory, for calls that come over no socket of their own. */
import type { OutgoingHttpHeaders } from 'node:http';
import { Writable } from 'node:stream';
import type { GatewayResponse } from './wire.ts';

export interface InsideAnswer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
}

/** A promise holds the next chunk up until it resolves. */
export type TakeEvents = (chunk: Buffer) => Promise<void> | undefined;

export class InsideResponse extends Writable implements GatewayResponse {
  headersSent = false;
  #status = 0;
  #headers: OutgoingHttpHeaders = {};
  readonly #chunks: Buffer[] = [];
  readonly #onEvents: TakeEvents | undefined;

  /** `onEvents` takes the chunks of an event stream; they are not kept then. */
  constructor(onEvents?: TakeEvents) {
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
    if (this.#onEvents === undefined || !this.#isEventStream()) {
      this.#chunks.push(chunk);
      done();
      return;
    }
    const taken = this.#onEvents(chunk);
    if (taken === undefined) done();
    else taken.then(() => done(), done);
  }

  #isEventStream(): boolean {
    return String(this.#headers['content-type'] ?? '').startsWith('text/event-stream');
  }

  answer(): InsideAnswer {
    return { status: this.#status, headers: this.#headers, body: Buffer.concat(this.#chunks) };
  }
}
