/**
 * What a tensor server of somebody else means by an error: the status as the gateway's own replicas would say it (a
 * wrong request must not look like a broken server, which is asked again and then left alone), and `{ error }` as the
 * Open Inference Protocol's clients read one. Each row was taken from a real server.
 */
import type { RemoteEngine } from '@gantry/contract';
import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import { parseJson } from '../http/parse-json.ts';

interface Refusal {
  readonly status: number;
  readonly error: string;
}

/** An error page beyond this is cut: nobody reads further. */
const maxBytes = 64 * 1024;
const maxChars = 2_000;

const statuses: Readonly<Partial<Record<RemoteEngine, (refusal: Refusal) => number>>> = {
  // 2.51 answers 500 to JSON that it cannot read.
  triton: ({ status, error }) =>
    status === 500 && /^(?:Unable to parse|failed to parse the request JSON)/.test(error) ? 400 : status,
  // 0.12 answers 503 where a handler threw; where it has no room it says ServiceUnavailableException.
  torchserve: ({ status, error }) => (status === 503 && error === 'Prediction failed' ? 500 : status),
};

const speaksTensors: ReadonlySet<RemoteEngine> = new Set([
  'oip',
  'openvino',
  'triton',
  'tfserving',
  'torchserve',
]);

/** For connections to such a server; others are left as they are. */
export function withRefusals(engine: RemoteEngine, dispatcher: Dispatcher): Dispatcher {
  if (!speaksTensors.has(engine)) return dispatcher;
  return dispatcher.compose(
    (dispatch) => (options, handler) => dispatch(options, new RefusalReader(engine, handler)),
  );
}

/** Holds an answer of 400 and more until it is whole; the rest passes. */
class RefusalReader implements Dispatcher.DispatchHandler {
  readonly #engine: RemoteEngine;
  readonly #handler: Dispatcher.DispatchHandler;
  #held: { readonly status: number; readonly headers: IncomingHttpHeaders } | undefined;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(engine: RemoteEngine, handler: Dispatcher.DispatchHandler) {
    this.#engine = engine;
    this.#handler = handler;
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
    if (status < 400) this.#handler.onResponseStart?.(controller, status, headers, message);
    else this.#held = { status, headers };
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#held === undefined) {
      this.#handler.onResponseData?.(controller, chunk);
      return;
    }
    if (this.#bytes < maxBytes) this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    if (this.#held !== undefined) {
      const { status, headers } = this.#held;
      const error = errorOf(Buffer.concat(this.#chunks)) ?? `The model server answered ${status}.`;
      const body = Buffer.from(JSON.stringify({ error: error.slice(0, maxChars) }));
      const meant = statuses[this.#engine]?.({ status, error }) ?? status;
      const { 'content-encoding': _, ...rest } = headers;
      this.#handler.onResponseStart?.(controller, meant, {
        ...rest,
        'content-type': 'application/json',
        'content-length': String(body.length),
      });
      this.#handler.onResponseData?.(controller, body);
    }
    this.#handler.onResponseEnd?.(controller, trailers);
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    this.#handler.onResponseError?.(controller, error);
  }
}

/** `error` (the protocol), `message` (TorchServe), FastAPI's `detail`; of a Python traceback its last line. */
function errorOf(body: Buffer): string | undefined {
  const text = body.toString('utf8').trim();
  if (text === '') return undefined;
  try {
    const said = parseJson(body) as Readonly<Record<string, unknown>> | null;
    const { error, message, detail } = said ?? {};
    for (const each of [error, message, detail]) if (typeof each === 'string') return each;
    return Array.isArray(detail) ? detail.map(faultOf).join('; ') : text;
  } catch {
    return text.startsWith('Traceback') ? text.split('\n').at(-1) : text;
  }
}

function faultOf(fault: unknown): string {
  const { loc, msg } = (fault ?? {}) as { readonly loc?: unknown; readonly msg?: unknown };
  return `${Array.isArray(loc) ? loc.join('.') : 'body'}: ${String(msg)}`;
}
