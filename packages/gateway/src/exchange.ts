/**
 * One inference request from admission to its last byte: pick a replica, relay, retry while the client has
 * seen nothing, count tokens, settle. Everything is callbacks on purpose: a promise per chunk would cost more
 * than the relay.
 */
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { splitByWeight, stickyPoint } from '@gantry/serving';
import { Attempt, type AttemptListener } from './attempt.ts';
import type { GatewayContext } from './gateway-context.ts';
import type { Admission } from './limits.ts';
import { withModel, type InferenceRequest } from './parse-request.ts';
import { problemBody, problemStatus, type Problem } from './problem.ts';
import type { ReplicaState } from './replica-state.ts';
import type { RouterChoice } from './replica-router.ts';
import type { LiveRevision, LiveRoute } from './route-table.ts';
import type { Principal } from './route.ts';
import { SseFrames } from './sse-frames.ts';
import { writeProblem } from './write-problem.ts';
import { noUsage, usageInJson, type Usage } from './usage.ts';

const retriableStatuses: ReadonlySet<number> = new Set([502, 504]);
/** Loading, draining or full: it did no work, so the request may wait for another or for this one again. */
const notNow = 503;
const clientLeft = 499;

export interface ExchangeInput {
  readonly id: string;
  readonly principal: Principal;
  readonly route: LiveRoute;
  readonly request: InferenceRequest;
  readonly admission: Admission;
  readonly startedMs: number;
  readonly incoming: IncomingMessage;
  readonly response: ServerResponse;
}

export class Exchange implements AttemptListener {
  readonly #context: GatewayContext;
  readonly #input: ExchangeInput;
  #attempt: Attempt | undefined;
  #attempts = 0;
  #tried: ReplicaState[] = [];
  #frames: SseFrames | undefined;
  #chunks: Buffer[] = [];
  #buffered = 0;
  #head: IncomingHttpHeaders = {};
  #isStreaming = false;
  #isPaused = false;
  #isSettled = false;
  #firstByteMs: number | undefined;
  #lastFrameMs = 0;
  #routeReason = '';
  #holdDeadlineMs: number | undefined;
  #stopHolding: (() => void) | undefined;
  #stallTimer: NodeJS.Timeout | undefined;

  constructor(context: GatewayContext, input: ExchangeInput) {
    this.#context = context;
    this.#input = input;
  }

  start(): void {
    this.#context.stats.inFlight++;
    this.#context.exchanges.add(this);
    this.#input.response.on('close', () => {
      if (!this.#isSettled) this.#leave();
    });
    this.#next();
  }

  /** The gateway stops: what is still open is told so, and its work cancelled. */
  stop(): void {
    this.#fail({ code: this.#isStreaming ? 'stream_interrupted' : 'shutting_down', retryAfterMs: 1_000 });
  }

  // ── choosing ──────────────────────────────────────────────────────────────────────────────────────────

  #next(): void {
    if (this.#isSettled) return;
    const chosen = this.#choose();
    if (chosen === undefined) {
      this.#hold();
      return;
    }
    this.#send(chosen.revision, chosen.choice);
  }

  #choose(): { revision: LiveRevision; choice: RouterChoice } | undefined {
    const { principal, request } = this.#input;
    const route = this.#context.table.lookup(principal.tenantId, request.model);
    if (route === undefined) return undefined;
    const now = this.#context.now();
    const usable = route.revisions
      .map((revision) => ({
        revision,
        weight: revision.weight,
        replicas: revision.replicas.filter((state) => state.isUsable(now)),
      }))
      .filter(({ replicas }) => replicas.length > 0);
    const point =
      request.user === undefined
        ? this.#context.random()
        : stickyPoint(`${route.route.endpointId}:${request.user}`);
    const arm = splitByWeight(usable, point);
    if (arm === undefined) return undefined;
    const untried = arm.replicas.filter((state) => !this.#tried.includes(state));
    const choice = this.#context.router.pick(
      untried.length > 0 ? untried : arm.replicas,
      principal.tenantId,
      request,
    );
    return choice === undefined ? undefined : { revision: arm.revision, choice };
  }

  /** Waits for a change of routes or for an ejected replica's time to be over; gives up at the deadline. */
  #hold(): void {
    const context = this.#context;
    const now = context.now();
    this.#holdDeadlineMs ??= now + context.options.holdMs;
    const leftMs = this.#holdDeadlineMs - now;
    if (leftMs <= 0) {
      this.#fail({ code: 'no_ready_replica', retryAfterMs: 1_000 });
      return;
    }
    context.onHold(this.#input.route);
    context.stats.holding++;
    const resume = (): void => {
      this.#stopHolding?.();
      this.#next();
    };
    const off = context.table.onChange(resume);
    const timer = setTimeout(resume, Math.min(leftMs, this.#msUntilUsable(now) ?? leftMs));
    this.#stopHolding = () => {
      this.#stopHolding = undefined;
      context.stats.holding--;
      clearTimeout(timer);
      off();
    };
  }

  #msUntilUsable(now: number): number | undefined {
    const { principal, request } = this.#input;
    const states =
      this.#context.table
        .lookup(principal.tenantId, request.model)
        ?.revisions.flatMap(({ replicas }) => replicas) ?? [];
    const waits = states
      .filter((state) => state.replica.ready && state.ejectedUntilMs > now)
      .map((state) => state.ejectedUntilMs - now);
    return waits.length === 0 ? undefined : Math.max(1, Math.ceil(Math.min(...waits)));
  }

  #send(revision: LiveRevision, { replica, uncachedTokens, reason }: RouterChoice): void {
    const { request, id } = this.#input;
    this.#routeReason = reason;
    this.#attempts++;
    this.#tried.push(replica);
    this.#frames = undefined;
    this.#chunks = [];
    this.#buffered = 0;
    const { upstreamModel } = revision.revision;
    const attempt = new Attempt(this, revision, replica, uncachedTokens);
    this.#attempt = attempt;
    if (this.#attempts > 1) this.#series(revision).retries++;
    try {
      replica.pool.dispatch(
        {
          path: `/v1/${request.operation}`,
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            accept: request.isStream ? 'text/event-stream' : 'application/json',
            'x-request-id': id,
          },
          body:
            upstreamModel === undefined || upstreamModel === request.model
              ? request.bytes
              : withModel(request, upstreamModel),
        },
        attempt,
      );
    } catch (error) {
      // The pool was closed between choosing and sending.
      attempt.onResponseError(undefined as never, error as Error);
    }
  }

  // ── relaying ──────────────────────────────────────────────────────────────────────────────────────────

  onHead(attempt: Attempt, status: number, headers: IncomingHttpHeaders): void {
    const isNotNow = status === notNow;
    if (isNotNow) this.#attempts--;
    if (isNotNow || (retriableStatuses.has(status) && this.#mayRetry())) {
      attempt.abandon(new Error('retrying elsewhere'));
      attempt.replica.noteFailure(this.#context.now());
      this.#next();
      return;
    }
    this.#head = headers;
    const type = headers['content-type'];
    if (status === 200 && type !== undefined && type.startsWith('text/event-stream')) {
      this.#frames = new SseFrames({ stripUsage: this.#input.request.stripUsage });
    }
  }

  onChunk(attempt: Attempt, chunk: Buffer): void {
    this.#firstByteMs ??= this.#context.now();
    if (this.#frames === undefined) {
      this.#chunks.push(chunk);
      this.#buffered += chunk.length;
      if (this.#buffered > this.#context.options.maxResponseBytes) {
        this.#fail({ code: 'upstream_failed', detail: 'The answer is larger than this gateway holds.' });
      }
      return;
    }
    this.#relay(attempt, this.#frames, chunk);
  }

  #relay(attempt: Attempt, frames: SseFrames, chunk: Buffer): void {
    const before = frames.tokenFrames;
    const out = frames.push(chunk);
    const tokens = frames.tokenFrames - before;
    if (tokens > 0) {
      const now = this.#context.now();
      if (this.#lastFrameMs > 0)
        this.#series(attempt.revision).interTokenMs.record((now - this.#lastFrameMs) / tokens);
      this.#lastFrameMs = now;
    }
    if (frames.isOverflown) {
      this.#fail({ code: 'stream_interrupted' });
      return;
    }
    if (out.length === 0) return;
    const { response } = this.#input;
    if (!this.#isStreaming) {
      this.#isStreaming = true;
      response.writeHead(200, {
        ...this.#headers(attempt),
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache',
      });
    }
    if (!response.write(out) && !this.#isPaused) this.#pause(attempt);
  }

  /** The client reads more slowly than the model writes: the model's socket waits, and not for ever. */
  #pause(attempt: Attempt): void {
    const { response } = this.#input;
    this.#isPaused = true;
    attempt.controller?.pause();
    this.#stallTimer = setTimeout(() => {
      response.destroy();
    }, this.#context.options.stalledClientMs);
    response.once('drain', () => {
      clearTimeout(this.#stallTimer);
      this.#isPaused = false;
      attempt.controller?.resume();
    });
  }

  onEnd(attempt: Attempt): void {
    if (this.#frames === undefined) {
      this.#answer(attempt);
      return;
    }
    if (!this.#frames.isDone && this.#input.request.operation !== 'responses') {
      // Ended without [DONE]: the engine broke off, whatever its socket says.
      attempt.replica.noteFailure(this.#context.now());
      if (!this.#isStreaming && this.#mayRetry()) this.#next();
      else this.#fail({ code: 'stream_interrupted' });
      return;
    }
    attempt.replica.noteSuccess();
    this.#input.response.end();
    this.#settle(200);
  }

  #answer(attempt: Attempt): void {
    const { response } = this.#input;
    const body =
      this.#chunks.length === 1 && this.#chunks[0] !== undefined
        ? this.#chunks[0]
        : Buffer.concat(this.#chunks);
    if (attempt.status < 500) attempt.replica.noteSuccess();
    response.writeHead(attempt.status, {
      ...this.#headers(attempt),
      'content-type': this.#head['content-type'] ?? 'application/json',
      'content-length': body.length,
    });
    response.end(body);
    this.#settle(attempt.status, attempt.status === 200 ? (usageInJson(body) ?? noUsage) : noUsage);
  }

  #headers(attempt: Attempt): OutgoingHttpHeaders {
    const headers: OutgoingHttpHeaders = {
      'x-request-id': this.#input.id,
      'x-gantry-revision': attempt.revision.revision.revisionId,
    };
    if (this.#input.incoming.headers['x-gantry-debug'] !== undefined) {
      headers['x-gantry-route'] =
        `${this.#routeReason}; replica=${attempt.replica.replicaId}; attempts=${this.#tried.length}`;
    }
    return headers;
  }

  onFailure(attempt: Attempt, error: Error): void {
    attempt.replica.noteFailure(this.#context.now());
    if (this.#isStreaming) {
      this.#fail({ code: 'stream_interrupted' });
      return;
    }
    // Refused before anything was sent: no work was done, so it counts as no attempt and costs no retry.
    const wasRefused = isRefusal(error);
    if (wasRefused) this.#attempts--;
    if (wasRefused || this.#mayRetry()) this.#next();
    else this.#fail({ code: isTimeout(error) ? 'upstream_timeout' : 'upstream_failed' });
  }

  #mayRetry(): boolean {
    return (
      !this.#isStreaming &&
      this.#attempts < this.#context.options.maxAttempts &&
      this.#context.retryBudget.take(this.#context.now())
    );
  }

  // ── ending ────────────────────────────────────────────────────────────────────────────────────────────

  #leave(): void {
    this.#attempt?.abandon(new Error('the client left'));
    this.#settle(clientLeft);
  }

  #fail(problem: Problem): void {
    if (this.#isSettled) return;
    this.#attempt?.abandon(new Error(problem.code));
    const { response } = this.#input;
    if (this.#isStreaming) {
      response.end(`data: ${problemBody(problem)}\n\n`);
    } else {
      writeProblem(response, problem, this.#input.id);
    }
    this.#settle(problemStatus(problem));
  }

  #settle(status: number, counted?: Usage): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#stopHolding?.();
    clearTimeout(this.#stallTimer);
    const { principal, route, admission, id, startedMs, request } = this.#input;
    this.#context.stats.inFlight--;
    this.#context.exchanges.delete(this);
    const frames = this.#frames;
    const known = counted ?? frames?.usage;
    const isEstimated = known === undefined && (frames?.tokenFrames ?? 0) > 0;
    const usage =
      known ??
      (isEstimated
        ? {
            ...noUsage,
            promptTokens: request.promptTokensEstimate,
            completionTokens: frames?.tokenFrames ?? 0,
          }
        : noUsage);
    admission.settle(usage);
    const record = {
      id,
      tenantId: principal.tenantId,
      principalId: principal.principalId,
      endpointId: route.route.endpointId,
      revisionId: this.#attempt?.revision.revision.revisionId,
      replicaId: this.#attempt?.replica.replicaId,
      ...usage,
      requestMs: this.#context.now() - startedMs,
      ttftMs: this.#firstByteMs === undefined ? undefined : this.#firstByteMs - startedMs,
      status,
      isEstimated,
    };
    this.#context.stats.note(this.#series(this.#attempt?.revision), record);
    this.#context.meter(record);
  }

  #series(revision: LiveRevision | undefined) {
    const { route, principal } = this.#input;
    return this.#context.stats.seriesFor(
      principal.tenantId,
      route.route.endpointName,
      revision?.revision.revisionId ?? 'none',
    );
  }
}

const codeOf = (error: Error): string =>
  'code' in error && typeof error.code === 'string' ? error.code : '';

function isRefusal(error: Error): boolean {
  return [
    'ECONNREFUSED',
    'ENOENT',
    'UND_ERR_CONNECT_TIMEOUT',
    'UND_ERR_CLOSED',
    'UND_ERR_DESTROYED',
    'EHOSTUNREACH',
  ].includes(codeOf(error));
}

function isTimeout(error: Error): boolean {
  return codeOf(error).endsWith('_TIMEOUT');
}
