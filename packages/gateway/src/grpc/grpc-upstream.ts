/**
 * A server of the Open Inference Protocol that speaks gRPC, asked like any other: requests of the REST dialect go in,
 * its answers come out, so that routing, retries, hedging and looks do not know the difference.
 */
import {
  type ClientOptions,
  credentials,
  Metadata,
  type Client,
  type ClientUnaryCall,
  type ServiceError,
  status as codes,
} from '@grpc/grpc-js';
import { Dispatcher } from 'undici';
import { decodeSegment } from '../http/request-line.ts';
import { parseOipPath, wantsEvents } from '../requests/parse-oip.ts';
import { openInferenceService } from './open-inference-service.ts';
import { type InferAnswer, toInferMessage, toRestAnswer, type WantsBinary } from './rest-infer.ts';
import { followInfer, type InferCall, toFrame } from './stream-infer.ts';

/** As much as the gateway holds of an answer. */
const maxMessageBytes = 64 * 1024 * 1024;
const options: ClientOptions = {
  'grpc.max_receive_message_length': maxMessageBytes,
  'grpc.max_send_message_length': -1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 5_000,
  'grpc.client_idle_timeout_ms': 60_000,
};

interface Said {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

interface Plan {
  readonly method: string;
  readonly message: object;
  /** Answers may come one by one. */
  readonly stream?: { readonly wantsBinary: WantsBinary };
  toSaid(answer: never): Said;
}

const json = (status: number, value: unknown): Said => ({
  status,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from(JSON.stringify(value)),
});

export class GrpcUpstream extends Dispatcher {
  readonly #client: Client;
  readonly #deadlineMs: number;

  /** `grpc://host:port`, or `grpcs://` with TLS. */
  constructor(url: string, deadlineMs: number) {
    super();
    const { protocol, host } = new URL(url);
    const secret = protocol === 'grpcs:' ? credentials.createSsl() : credentials.createInsecure();
    this.#client = new (openInferenceService())(host, secret, options);
    this.#deadlineMs = deadlineMs;
  }

  override dispatch(asked: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const headers = (asked.headers ?? {}) as Readonly<Record<string, string>>;
    const controller = new Controller();
    handler.onRequestStart?.(controller, {});
    if (controller.aborted) return true;
    const body = Buffer.isBuffer(asked.body) ? asked.body : Buffer.alloc(0);
    const plan = planOf(asked.path.replace(/\?.*$/, ''), headers, body);
    const say = (said: Said): void => {
      if (controller.aborted) return;
      handler.onResponseStart?.(controller, said.status, {
        ...said.headers,
        'content-length': String(said.body.length),
      });
      handler.onResponseData?.(controller, said.body);
      handler.onResponseEnd?.(controller, {});
    };
    if ('status' in plan) {
      // Later, as from a server: whoever asked has not seen this call return yet.
      setImmediate(() => say(plan));
      return true;
    }
    const metadata = new Metadata();
    for (const name of ['authorization', 'x-request-id'])
      if (typeof headers[name] === 'string') metadata.set(name, headers[name]);
    const whole = (): void => {
      controller.call = this.#invoke(plan, metadata, (error, answer) => {
        if (controller.aborted) return;
        const broken = error === null ? undefined : toBroken(error);
        if (broken !== undefined) handler.onResponseError?.(controller, broken);
        else say(error === null ? plan.toSaid(answer as never) : toRefusal(error));
      });
    };
    if (plan.stream === undefined) whole();
    else this.#stream(plan.message, plan.stream.wantsBinary, metadata, { controller, handler, say, whole });
    return true;
  }

  /** A server that knows no streams is asked once more, for one answer. */
  #stream(
    message: object,
    wantsBinary: WantsBinary,
    metadata: Metadata,
    { controller, handler, say, whole }: Listening,
  ): void {
    const call = (this.#client as unknown as StreamClient).ModelStreamInfer(metadata);
    controller.call = call;
    const late = Object.assign(new Error('no answer in time'), { code: 'UND_ERR_HEADERS_TIMEOUT' });
    const impatience = setTimeout(() => {
      handler.onResponseError?.(controller, late);
      controller.abort(late);
    }, this.#deadlineMs);
    const unless = (act: () => void): void => {
      clearTimeout(impatience);
      if (!controller.aborted) act();
    };
    followInfer(call, message, wantsBinary, {
      begin: () =>
        unless(() =>
          handler.onResponseStart?.(controller, 200, { 'content-type': 'text/event-stream; charset=utf-8' }),
        ),
      event: (frame) => unless(() => handler.onResponseData?.(controller, frame)),
      end: () => unless(() => handler.onResponseEnd?.(controller, {})),
      refuse: (refusal) =>
        unless(() => {
          if (typeof refusal === 'string') return say(json(400, { error: refusal.slice(0, 2_000) }));
          if (refusal.code === codes.UNIMPLEMENTED) return whole();
          const broken = toBroken(refusal);
          if (broken === undefined) say(toRefusal(refusal));
          else handler.onResponseError?.(controller, broken);
        }),
      interrupt: (reason) =>
        unless(() => {
          handler.onResponseData?.(controller, toFrame({ error: reason.slice(0, 2_000) }));
          handler.onResponseEnd?.(controller, {});
        }),
    });
  }

  override close(): Promise<void>;
  override close(done: () => void): void;
  override close(done?: () => void): Promise<void> | void {
    this.#client.close();
    if (done === undefined) return Promise.resolve();
    done();
  }

  override destroy(): Promise<void> {
    return this.close();
  }

  #invoke(
    { method, message }: Plan,
    metadata: Metadata,
    done: (error: ServiceError | null, answer: unknown) => void,
  ): ClientUnaryCall {
    const deadline = new Date(Date.now() + this.#deadlineMs);
    const methods = this.#client as unknown as Record<string, (...args: unknown[]) => ClientUnaryCall>;
    const invoke = methods[method] as (...args: unknown[]) => ClientUnaryCall;
    return invoke.call(this.#client, message, metadata, { deadline }, done);
  }
}

interface StreamClient {
  ModelStreamInfer(metadata: Metadata): InferCall;
}

interface Listening {
  readonly controller: Controller;
  readonly handler: Dispatcher.DispatchHandler;
  readonly say: (said: Said) => void;
  readonly whole: () => void;
}

/** The handle that whoever asked may break off by, and pause where answers stream. */
class Controller implements Dispatcher.DispatchController {
  aborted = false;
  paused = false;
  reason: Error | null = null;
  call: ClientUnaryCall | InferCall | undefined;

  abort(reason: Error): void {
    this.aborted = true;
    this.reason = reason;
    this.call?.cancel();
  }

  pause(): void {
    this.paused = true;
    if (this.call !== undefined && 'pause' in this.call) this.call.pause();
  }

  resume(): void {
    this.paused = false;
    if (this.call !== undefined && 'resume' in this.call) this.call.resume();
  }
}

/** Triton's. */
const configPattern = /^\/v2\/models\/([^/]+)\/config$/;

/** What to call, or what to say without calling. */
function planOf(path: string, headers: Readonly<Record<string, string>>, body: Buffer): Plan | Said {
  const configured = configPattern.exec(path)?.[1];
  if (configured !== undefined)
    return {
      method: 'ModelConfig',
      message: { name: decodeSegment(configured), version: '' },
      toSaid: ({ config }: { readonly config: object | null }) => json(200, config ?? {}),
    };
  const asked = parseOipPath(path);
  if (asked === undefined) return json(404, { error: `A gRPC server has no ${path}.` });
  const { model: name, version = '' } = asked;
  switch (asked.verb) {
    case 'ready':
      return {
        method: 'ModelReady',
        message: { name, version },
        // As Triton says it over HTTP; a 503 would be asked again elsewhere.
        toSaid: ({ ready }: { readonly ready: boolean }) => json(ready ? 200 : 400, { name, ready }),
      };
    case 'metadata':
      return {
        method: 'ModelMetadata',
        message: { name, version },
        toSaid: (told: Readonly<Record<'inputs' | 'outputs', readonly { shape: readonly string[] }[]>>) =>
          json(200, {
            ...told,
            inputs: told.inputs.map(withNumbers),
            outputs: told.outputs.map(withNumbers),
          }),
      };
    case 'infer': {
      const infer = toInferMessage(name, version, headers, body);
      if ('reason' in infer) return json(400, { error: infer.reason });
      return {
        method: 'ModelInfer',
        message: infer.message,
        ...(wantsEvents(headers) ? { stream: { wantsBinary: infer.wantsBinary } } : {}),
        toSaid: (answer: InferAnswer) => {
          const said = toRestAnswer(answer, infer.wantsBinary);
          return said === undefined
            ? json(502, {
                error: 'The server’s outputs are not what it says they are, or have no JSON: ask for binary.',
              })
            : { status: 200, ...said };
        },
      };
    }
  }
}

const withNumbers = (tensor: { readonly shape: readonly string[] }) => ({
  ...tensor,
  shape: tensor.shape.map(Number),
});

const statusOf: Readonly<Record<number, number>> = {
  [codes.INVALID_ARGUMENT]: 400,
  [codes.FAILED_PRECONDITION]: 400,
  [codes.OUT_OF_RANGE]: 400,
  [codes.UNAUTHENTICATED]: 401,
  [codes.PERMISSION_DENIED]: 403,
  [codes.NOT_FOUND]: 404,
  [codes.RESOURCE_EXHAUSTED]: 429,
  [codes.UNIMPLEMENTED]: 501,
  [codes.UNAVAILABLE]: 503,
};

const toRefusal = ({ code, details, metadata }: ServiceError): Said => {
  const said = json(statusOf[code] ?? 502, { error: details.slice(0, 2_000) });
  const [after] = metadata.get('retry-after');
  return typeof after === 'string' ? { ...said, headers: { ...said.headers, 'retry-after': after } } : said;
};

/** No answer at all: nothing was sent, time ran out, or the connection broke. The names are undici's. */
function toBroken({ code, details }: ServiceError): Error | undefined {
  const broken = (name: string): Error => Object.assign(new Error(details), { code: name });
  if (code === codes.DEADLINE_EXCEEDED) return broken('UND_ERR_HEADERS_TIMEOUT');
  if (code !== codes.UNAVAILABLE) return undefined;
  if (details.startsWith('No connection established')) return broken('ECONNREFUSED');
  return /connection|reset|RST_STREAM|GOAWAY/i.test(details) ? broken('UND_ERR_SOCKET') : undefined;
}
