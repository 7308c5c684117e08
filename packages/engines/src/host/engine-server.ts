/**
 * The shell of every engine process: it listens at once and is ready when its service has answered a first
 * request; on drain readiness fails first, new work is refused, answers in progress finish within the limit,
 * and what is left then is told so. What it serves is the service's.
 */
import { chmod, lstat, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { countOf, formatDuration } from '@gantry/kit';
import { EngineError } from '../engine-error.ts';
import { EngineJournal } from './engine-journal.ts';
import { sendJson } from './http-body.ts';
import { memoryShare } from './memory-share.ts';

export interface ListenOptions {
  readonly listen: { readonly socketPath: string } | { readonly port: number; readonly host?: string };
  /** Aborting drains. */
  readonly signal?: AbortSignal;
  /** How long answers may still run after a drain began; default 30 s. */
  readonly drainTimeoutMs?: number;
  /** Memory of the process; above 95 % of it the engine calls itself unready. */
  readonly memoryBytes?: number;
  /** The share of its device's memory that is in use, if it has one; above 95 % likewise. */
  readonly deviceMemory?: () => Promise<number | undefined>;
  readonly onLog?: (line: string) => void;
}

export interface EngineCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  /** Aborted when the client left or the time to drain is over. */
  readonly signal: AbortSignal;
}

export interface EngineRoute {
  readonly method: 'GET' | 'POST';
  /** Needs the loaded model; a drain waits for it. */
  readonly isWork: boolean;
  answer(call: EngineCall): void | Promise<void>;
}

export interface EngineService extends AsyncDisposable {
  /** Resolves when it has answered a first request of its own. */
  load(): Promise<void>;
  routeOf(path: string): EngineRoute | undefined;
  stats(): object;
  /** The loaded model in a line for the log: what it is, what it may hold, what computes it. */
  describe(): string;
  /** The body of a refusal in its dialect. */
  errorBody(error: EngineError): object;
}

export interface EngineServer extends AsyncDisposable {
  readonly address: { readonly socketPath: string } | { readonly port: number };
  /** Settles when the model is ready, or with why it cannot be. */
  readonly loaded: Promise<void>;
  /** Settles when all is closed, however it came to that. */
  readonly closed: Promise<void>;
  /** Readiness fails, answers finish, then everything closes. */
  drain(): Promise<void>;
}

type State = 'loading' | 'ready' | 'failed' | 'draining';

export async function serveEngine(service: EngineService, options: ListenOptions): Promise<EngineServer> {
  const server = new ServiceServer(service, options);
  await server.listen();
  return server;
}

/** Reclaiming memory at the edge of the limit stalls everything; new work is better sent elsewhere. */
const unreadyShare = 0.95;

class ServiceServer implements EngineServer {
  readonly loaded: Promise<void>;
  readonly closed: Promise<void>;
  readonly #service: EngineService;
  readonly #options: ListenOptions;
  readonly #server: Server;
  /** Calls in progress, each with the promise of its end. */
  readonly #calls = new Map<AbortController, Promise<void>>();
  readonly #journal: EngineJournal;
  #state: State = 'loading';
  #draining: Promise<void> | undefined;
  #resolveClosed: () => void = () => undefined;

  constructor(service: EngineService, options: ListenOptions) {
    this.#service = service;
    this.#options = options;
    this.#journal = new EngineJournal({ write: options.onLog });
    this.#server = createServer((request, response) => {
      void this.#handle(request, response);
    });
    // Longer than any client pool keeps a connection, so that we never close one that is being used.
    this.#server.keepAliveTimeout = 150_000;
    this.#server.headersTimeout = 10_000;
    this.#server.requestTimeout = 60_000;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.loaded = this.#load();
    this.loaded.catch(() => undefined);
    const onAbort = (): void => {
      void this.drain();
    };
    if (options.signal?.aborted === true) onAbort();
    options.signal?.addEventListener('abort', onAbort, { once: true });
  }

  get address(): EngineServer['address'] {
    const { listen } = this.#options;
    return 'socketPath' in listen ? listen : { port: (this.#server.address() as AddressInfo).port };
  }

  async listen(): Promise<void> {
    const { listen } = this.#options;
    if ('socketPath' in listen) {
      // A socket left by a killed predecessor; anything else at that path is not ours to remove.
      const there = await lstat(listen.socketPath).catch(() => undefined);
      if (there?.isSocket() === true) await rm(listen.socketPath);
    }
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      const where =
        'socketPath' in listen
          ? { path: listen.socketPath }
          : { port: listen.port, host: listen.host ?? '127.0.0.1' };
      this.#server.listen(where, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    if ('socketPath' in listen) await chmod(listen.socketPath, 0o600);
  }

  drain(): Promise<void> {
    this.#draining ??= this.#drain();
    return this.#draining;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const call of this.#calls.keys()) call.abort();
    await this.drain();
  }

  async #load(): Promise<void> {
    const startedMs = performance.now();
    this.#journal.say('loading');
    try {
      await this.#service.load();
      if (this.#state !== 'loading') return;
      this.#state = 'ready';
      this.#journal.say(
        `ready after ${formatDuration(performance.now() - startedMs)}: ${this.#service.describe()}`,
      );
    } catch (error) {
      if (this.#state === 'loading') this.#state = 'failed';
      throw error;
    }
  }

  async #drain(): Promise<void> {
    const { drainTimeoutMs = 30_000 } = this.#options;
    if (this.#state === 'ready')
      this.#journal.say(
        `draining: ${countOf(this.#calls.size, 'request')} in progress, at most ${formatDuration(drainTimeoutMs)}`,
      );
    this.#state = 'draining';
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => {
      this.#journal.say(
        `cut off ${countOf(this.#calls.size, 'request')} that the drain has no more time for`,
      );
      for (const call of this.#calls.keys()) call.abort();
    }, drainTimeoutMs);
    while (this.#calls.size > 0) {
      await Promise.race(this.#calls.values());
    }
    clearTimeout(timer);
    this.#journal.flush();
    this.#server.closeIdleConnections();
    // Connections that send nothing more, among them half-open ones, get a moment for their last bytes.
    const impatience = setTimeout(() => this.#server.closeAllConnections(), 1_000);
    await closed;
    clearTimeout(impatience);
    await this.loaded.catch(() => undefined);
    await this.#service[Symbol.asyncDispose]();
    this.#resolveClosed();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const abort = new AbortController();
    response.on('close', () => {
      if (!response.writableFinished) abort.abort();
    });
    if (this.#state === 'draining') response.setHeader('connection', 'close');
    try {
      const path = (request.url ?? '/').split('?', 1)[0] as string;
      const route = this.#ownRoutes[path] ?? this.#service.routeOf(path);
      if (route === undefined) throw new EngineError('not_found', `There is nothing at ${path}.`);
      if (request.method !== route.method) {
        throw new EngineError('method_not_allowed', `${path} takes ${route.method}.`);
      }
      const call: EngineCall = { request, response, path, signal: abort.signal };
      if (route.isWork) await this.#work(route, call, abort);
      else await route.answer(call);
    } catch (error) {
      this.#answerError(error, request, response);
    }
  }

  async #work(route: EngineRoute, call: EngineCall, abort: AbortController): Promise<void> {
    this.#requireReady();
    let end: () => void = () => undefined;
    this.#calls.set(
      abort,
      new Promise((resolve) => {
        end = resolve;
      }),
    );
    try {
      await route.answer(call);
    } finally {
      this.#calls.delete(abort);
      end();
    }
  }

  #requireReady(): void {
    if (this.#state === 'ready') return;
    if (this.#state === 'draining') throw new EngineError('shutting_down', 'The engine is shutting down.');
    if (this.#state === 'failed') throw new EngineError('model_invalid', 'The model could not be loaded.');
    throw new EngineError('loading', 'The model is still being loaded.', {
      hint: 'Wait until /ready answers 200.',
    });
  }

  readonly #ownRoutes: Readonly<Record<string, EngineRoute>> = {
    '/health': watching(({ response }) => {
      const isFailed = this.#state === 'failed';
      sendJson(response, isFailed ? 500 : 200, { status: isFailed ? 'failed' : 'ok' });
    }),
    '/ready': watching(async ({ response }) => {
      const full = await this.#fullMemory();
      const status = this.#state === 'ready' && full !== undefined ? 'out of memory' : this.#state;
      sendJson(response, status === 'ready' ? 200 : 503, { status, ...full });
    }),
    '/stats': watching(({ response }) => {
      sendJson(response, 200, { state: this.#state, calls: this.#calls.size, ...this.#service.stats() });
    }),
  };

  /** The memory that is above its limit, with the share of it that is in use. */
  async #fullMemory(): Promise<Readonly<Record<string, number>> | undefined> {
    const { memoryBytes, deviceMemory } = this.#options;
    const shares = { memory: await memoryShare(memoryBytes), deviceMemory: await deviceMemory?.() };
    const full = Object.entries(shares).filter(
      (entry): entry is [string, number] => entry[1] !== undefined && entry[1] > unreadyShare,
    );
    return full.length === 0 ? undefined : Object.fromEntries(full);
  }

  #answerError(error: unknown, request: IncomingMessage, response: ServerResponse): void {
    if (response.destroyed) return;
    const known =
      error instanceof EngineError
        ? error
        : new EngineError('engine_failed', 'The engine failed to answer.', { cause: error });
    if (known.code === 'engine_failed') this.#journal.say(`engine_failed: ${String(known.cause ?? error)}`);
    else if (!response.headersSent) this.#journal.refused(known);
    const body = this.#service.errorBody(known);
    if (response.headersSent) {
      response.end(`data: ${JSON.stringify(body)}\n\n`);
      return;
    }
    if (known.status === 503 || known.status === 429) response.setHeader('retry-after', '1');
    // The rest of a body that is too large is not waited for.
    if (!request.complete) response.setHeader('connection', 'close');
    sendJson(response, known.status, body);
  }
}

const watching = (answer: EngineRoute['answer']): EngineRoute => ({ method: 'GET', isWork: false, answer });
