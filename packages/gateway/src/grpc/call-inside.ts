/** One request through the gateway without a socket: everything that guards and counts HTTP requests applies to it. */
import type { IncomingHttpHeaders } from 'node:http';
import { Readable } from 'node:stream';
import { type InsideAnswer, InsideResponse, type TakeEvents } from '../http/inside-response.ts';
import type { GatewayRequest, GatewayResponse } from '../http/wire.ts';

export interface InsideCall {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Takes an answer that streams, chunk by chunk; what resolves then has no body. */
  readonly onEvents?: TakeEvents;
  /** Aborting cancels the work behind it. */
  readonly signal: AbortSignal;
}

type Handle = (request: GatewayRequest, response: GatewayResponse) => void;

/** Rejects when the signal aborts or the gateway breaks off. */
export function callInside(handle: Handle, call: InsideCall): Promise<InsideAnswer> {
  return new Promise((resolve, reject) => {
    const response = new InsideResponse(call.onEvents);
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
