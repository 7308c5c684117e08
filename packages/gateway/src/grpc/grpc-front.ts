/**
 * The Open Inference Protocol over gRPC: every call becomes a request to the same gateway, so keys, limits, routing,
 * retries and the ledger are the same whichever way a client comes in.
 */
import {
  Metadata,
  Server,
  ServerCredentials,
  status as codes,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerUnaryCall,
} from '@grpc/grpc-js';
import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import type { Gateway } from '../gateway-api.ts';
import type { InsideAnswer } from '../http/inside-response.ts';
import { EventReader } from '../http/event-reader.ts';
import { callInside } from './call-inside.ts';
import { openInferenceService } from './open-inference-service.ts';
import { toMessage, toRest, type InferMessage } from './infer-messages.ts';
import { fromEventData } from './rest-infer.ts';
import { parseJson } from '../http/parse-json.ts';

export interface GrpcFrontOptions {
  readonly gateway: Pick<Gateway, 'handle'>;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer };
  readonly maxMessageBytes?: number;
}

export interface GrpcFront extends AsyncDisposable {
  readonly port: number;
}

type Call = ServerUnaryCall<Record<string, unknown>, object>;
type InferStream = ServerDuplexStream<InferMessage, object>;
type Answer = (inside: Inside, call: Call) => Promise<object>;
type Inside = (method: 'GET' | 'POST', path: string, more?: Partial<Body>) => Promise<InsideAnswer>;
interface Body {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export async function startGrpcFront(options: GrpcFrontOptions): Promise<GrpcFront> {
  const limit = options.maxMessageBytes ?? 16 * 1024 * 1024;
  const server = new Server({
    'grpc.max_receive_message_length': limit,
    'grpc.max_send_message_length': -1,
  });
  const implementation = Object.fromEntries(
    Object.entries(answers).map(([name, answer]) => [
      name,
      (call: Call, done: sendUnaryData<object>) => {
        answerCall(options.gateway, call, answer).then(
          (message) => done(null, message),
          (error: unknown) => done(toStatus(error)),
        );
      },
    ]),
  );
  server.addService(openInferenceService().service, {
    ...implementation,
    ModelStreamInfer: (call: InferStream) => {
      answerStream(options.gateway, call).catch((error: unknown) => call.emit('error', toStatus(error)));
    },
  });
  const { host, tls } = options;
  const credentials =
    tls === undefined
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(null, [{ private_key: tls.key, cert_chain: tls.cert }]);
  const shown = host.includes(':') ? `[${host}]` : host;
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${shown}:${options.port}`, credentials, (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      const impatience = setTimeout(() => server.forceShutdown(), 1_000);
      await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
      clearTimeout(impatience);
    },
  };
}

async function answerCall(gateway: Pick<Gateway, 'handle'>, call: Call, answer: Answer): Promise<object> {
  const leaving = new AbortController();
  call.on('cancelled', () => leaving.abort());
  const inside: Inside = async (method, path, { headers = {}, body = Buffer.alloc(0) } = {}) => {
    const found = await callInside((request, response) => gateway.handle(request, response), {
      method,
      path,
      headers: { ...headersOf(call.metadata), ...headers },
      body,
      signal: leaving.signal,
    });
    if (found.status !== 200) throw new Refused(found);
    return found;
  };
  return answer(inside, call);
}

/**
 * Requests of a stream are answered one after the other, each with one answer or, where its model is decoupled, with
 * as many as come. A refused one is told in the stream, which goes on; a caller that is nobody's ends it.
 */
async function answerStream(gateway: Pick<Gateway, 'handle'>, call: InferStream): Promise<void> {
  const leaving = new AbortController();
  call.on('cancelled', () => leaving.abort());
  const say = async (message: object): Promise<void> => {
    if (!call.write(message)) await once(call, 'drain', { signal: leaving.signal });
  };
  for await (const message of call.iterator({ destroyOnReturn: false }) as AsyncIterable<InferMessage>) {
    const refuse = (reason: string) =>
      say({ error_message: reason, infer_response: { model_name: message.model_name, id: message.id } });
    const rest = toRest(message);
    if ('reason' in rest) {
      await refuse(rest.reason);
      continue;
    }
    const events = new EventReader();
    const found = await callInside((request, response) => gateway.handle(request, response), {
      method: 'POST',
      path: `${modelPath(message.model_name, message.model_version)}/infer`,
      headers: { ...headersOf(call.metadata), ...rest.headers, accept: 'text/event-stream' },
      body: rest.body,
      signal: leaving.signal,
      onEvents: async (chunk) => {
        for (const value of events.push(chunk)) {
          const { error } = value as { readonly error?: unknown };
          if (error === undefined) await say({ infer_response: toMessage(fromEventData(value as object)) });
          else await refuse(typeof error === 'string' ? error : 'The stream was interrupted.');
        }
      },
    });
    if (found.status === 401 || found.status === 403) throw new Refused(found);
    if (found.status !== 200) await refuse(reasonOf(found.body));
    else if (found.body.length > 0) await say({ infer_response: toMessage(found) });
  }
  call.end();
}

const json = async (answer: Promise<InsideAnswer>): Promise<object> =>
  parseJson((await answer).body) as object;

const answers: Readonly<Record<string, Answer>> = {
  ServerLive: (inside) => json(inside('GET', '/v2/health/live')),
  ServerReady: (inside) => json(inside('GET', '/v2/health/ready')),
  ServerMetadata: (inside) => json(inside('GET', '/v2')),
  ModelReady: async (inside, { request }) => {
    try {
      return await json(inside('GET', `${modelPath(request['name'], request['version'])}/ready`));
    } catch (error) {
      // 400 is Triton's word for a version of its own that it has not loaded.
      if (error instanceof Refused && [400, 503].includes(error.answer.status)) return { ready: false };
      throw error;
    }
  },
  ModelMetadata: (inside, { request }) => json(inside('GET', modelPath(request['name'], request['version']))),
  ModelInfer: async (inside, { request }) => {
    const message = request as unknown as InferMessage;
    const rest = toRest(message);
    if ('reason' in rest) throw new Contradiction(rest.reason);
    return toMessage(
      await inside('POST', `${modelPath(message.model_name, message.model_version)}/infer`, rest),
    );
  },
};

function modelPath(name: unknown, version: unknown): string {
  const path = `/v2/models/${encodeURIComponent(String(name))}`;
  return version === '' ? path : `${path}/versions/${encodeURIComponent(String(version))}`;
}

/** Metadata that the gateway reads; everything else stays outside. */
const passed = [
  'authorization',
  'x-gantry-priority',
  'x-gantry-revision',
  'x-gantry-debug',
  'x-session-id',
] as const;

function headersOf(metadata: Metadata): IncomingHttpHeaders {
  return Object.fromEntries(
    passed.flatMap((name) => {
      const [value] = metadata.get(name);
      return typeof value === 'string' ? [[name, value]] : [];
    }),
  );
}

class Refused extends Error {
  readonly answer: InsideAnswer;

  constructor(answer: InsideAnswer) {
    super('refused');
    this.answer = answer;
  }
}

class Contradiction extends Error {}

const codeOfStatus: Readonly<Record<number, number>> = {
  400: codes.INVALID_ARGUMENT,
  401: codes.UNAUTHENTICATED,
  403: codes.PERMISSION_DENIED,
  404: codes.NOT_FOUND,
  413: codes.INVALID_ARGUMENT,
  422: codes.INVALID_ARGUMENT,
  429: codes.RESOURCE_EXHAUSTED,
  502: codes.UNAVAILABLE,
  503: codes.UNAVAILABLE,
  504: codes.DEADLINE_EXCEEDED,
};

function toStatus(error: unknown): { code: number; details: string; metadata?: Metadata } {
  if (error instanceof Contradiction) return { code: codes.INVALID_ARGUMENT, details: error.message };
  // What went wrong inside stays inside.
  if (!(error instanceof Refused)) return { code: codes.INTERNAL, details: 'The gateway failed.' };
  const { status, headers, body } = error.answer;
  const metadata = new Metadata();
  for (const name of ['retry-after', 'x-request-id']) {
    const value = headers[name];
    if (value !== undefined) metadata.set(name, String(value));
  }
  return { code: codeOfStatus[status] ?? codes.UNKNOWN, details: reasonOf(body), metadata };
}

function reasonOf(body: Buffer): string {
  try {
    const { error } = parseJson(body) as { readonly error?: unknown };
    return typeof error === 'string' ? error : 'The engine refused without a reason.';
  } catch {
    return 'The engine refused without a reason.';
  }
}
