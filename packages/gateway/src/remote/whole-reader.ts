/** Answers of a server that are read whole and passed on as what they mean; the rest passes as it comes. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';

export interface WholeSaid {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** As much as the gateway holds of an answer. */
const maxBytes = 64 * 1024 * 1024;

export class WholeReader implements Dispatcher.DispatchHandler {
  readonly #handler: Dispatcher.DispatchHandler;
  readonly #isHeld: (status: number) => boolean;
  readonly #read: (said: WholeSaid) => WholeSaid;
  #head: Omit<WholeSaid, 'body'> | undefined;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  /** `read` may throw: the answer is none, then. */
  constructor(
    handler: Dispatcher.DispatchHandler,
    isHeld: (status: number) => boolean,
    read: (said: WholeSaid) => WholeSaid,
  ) {
    this.#handler = handler;
    this.#isHeld = isHeld;
    this.#read = read;
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: object): void {
    this.#handler.onRequestStart?.(controller, context);
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
    message?: string,
  ): void {
    if (this.#isHeld(status)) this.#head = { status, headers };
    else this.#handler.onResponseStart?.(controller, status, headers, message);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#head === undefined) {
      this.#handler.onResponseData?.(controller, chunk);
      return;
    }
    this.#bytes += chunk.length;
    if (this.#bytes <= maxBytes) this.#chunks.push(chunk);
    else controller.abort(new Error('the answer is larger than this gateway holds'));
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    if (this.#head === undefined) this.#handler.onResponseEnd?.(controller, trailers);
    else
      say(this.#handler, controller, this.#readOr502({ ...this.#head, body: Buffer.concat(this.#chunks) }));
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    this.#handler.onResponseError?.(controller, error);
  }

  #readOr502(said: WholeSaid): WholeSaid {
    try {
      return this.#read(said);
    } catch (error) {
      return refusal(502, error);
    }
  }
}

export const refusal = (status: number, error: unknown): WholeSaid => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from(JSON.stringify({ error: error instanceof Error ? error.message : String(error) })),
});

/** Answers without asking anybody; later, as a server would. */
export function answerInstead(handler: Dispatcher.DispatchHandler, said: WholeSaid): void {
  const controller = new NoConnection();
  handler.onRequestStart?.(controller, {});
  setImmediate(() => {
    if (!controller.aborted) say(handler, controller, said);
  });
}

function say(
  handler: Dispatcher.DispatchHandler,
  controller: Dispatcher.DispatchController,
  { status, headers, body }: WholeSaid,
): void {
  handler.onResponseStart?.(controller, status, { ...headers, 'content-length': String(body.length) });
  handler.onResponseData?.(controller, body);
  handler.onResponseEnd?.(controller, {});
}

class NoConnection implements Dispatcher.DispatchController {
  aborted = false;
  paused = false;
  reason: Error | null = null;

  abort(reason: Error): void {
    this.aborted = true;
    this.reason = reason;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }
}
