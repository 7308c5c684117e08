/** One request through the gateway without a socket: everything that guards and counts HTTP requests applies to it. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { Readable, Writable } from 'node:stream';
import type { GatewayRequest, GatewayResponse } from '../http/wire.ts';

export interface InsideCall {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Aborting cancels the work behind it. */
  readonly signal: AbortSignal;
}

export interface InsideAnswer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Buffer;
}

type Handle = (request: GatewayRequest, response: GatewayResponse) => void;

/** Rejects when the signal aborts or the gateway breaks off. */
export function callInside(handle: Handle, call: InsideCall): Promise<InsideAnswer> {
  return new Promise((resolve, reject) => {
    const response = new KeptResponse();
    const leave = (): void => {
      response.destroy();
    };
    response.once('finish', () => resolve(response.answer()));
    response.once('close', () => {
      call.signal.removeEventListener('abort', leave);
      reject(new Error('the call was broken off'));
    });
    if (call.signal.aborted) leave();
    call.signal.addEventListener('abort', leave, { once: true });
    const { method, path: url, headers } = call;
    const request = Object.assign(Readable.from([call.body], { objectMode: false }), {
      method,
      url,
      headers,
    });
    handle(request, response);
  });
}

class KeptResponse extends Writable implements GatewayResponse {
  headersSent = false;
  #status = 0;
  #headers: OutgoingHttpHeaders = {};
  readonly #chunks: Buffer[] = [];

  setHeader(name: string, value: string | number): void {
    this.#headers[name] = value;
  }

  writeHead(status: number, headers: OutgoingHttpHeaders = {}): void {
    this.headersSent = true;
    this.#status = status;
    this.#headers = { ...this.#headers, ...headers };
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#chunks.push(chunk);
    done();
  }

  answer(): InsideAnswer {
    return { status: this.#status, headers: this.#headers, body: Buffer.concat(this.#chunks) };
  }
}
