/**
 * One inference request from admission to its last byte: pick a replica, relay, retry while the client has
 * seen nothing, count tokens, settle. Everything is callbacks on purpose: a promise per chunk would cost more
 * than the relay.
 */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';
import { Attempt, type AttemptListener } from './attempt.ts';
import { cachedAnswer, writeCached, writeWhole } from './cached-answer.ts';
import { canBePinned } from './choose-arm.ts';
import { chooseReplica, msUntilUsable, type ReplicaWish } from './choose-replica.ts';
import { ClientStream } from './client-stream.ts';
import { isRefusal, isTimeout } from './connection-errors.ts';
import { answerHeaders, remoteRefusal, upstreamCall } from './exchange-headers.ts';
import type { ExchangeInput } from './exchange-input.ts';
import { finalUsage } from './final-usage.ts';
import type { GatewayContext } from './gateway-context.ts';
import { Hold } from './hold-request.ts';
import { dialectOf, problemBody, problemStatus, type Problem } from './problem.ts';
import type { ReplicaState } from './replica-state.ts';
import { RequestBook } from './request-book.ts';
import type { RouterChoice } from './replica-router.ts';
import type { LiveRevision } from './route-table.ts';
import { copyToShadow, type ShadowCall } from './shadow-call.ts';
import { headerOf } from './request-line.ts';
import { SseFrames } from './sse-frames.ts';
import { Suspicion } from './suspicion.ts';
import { WholeAnswer } from './whole-answer.ts';
import { writeProblem } from './write-problem.ts';
import { noUsage, usageInJson, type Usage } from './usage.ts';

const retriableStatuses: ReadonlySet<number> = new Set([502, 504]);
/** Loading, draining or full: it did no work, so the request may wait for another or for this one again. */
const notNow = 503;
const clientLeft = 499;
const suspectWaitMs = 50;
const handedOver: ReadonlySet<string> = new Set(['no_ready_replica', 'upstream_failed', 'upstream_timeout']);

export class Exchange implements AttemptListener {
  readonly #context: GatewayContext;
  readonly #input: ExchangeInput;
  #attempt: Attempt | undefined;
  #attempts = 0;
  readonly #tried: ReplicaState[] = [];
  readonly #wish: ReplicaWish;
  #frames: SseFrames | undefined;
  #whole: WholeAnswer;
  #isSettled = false;
  readonly #book: RequestBook;
  readonly #client: ClientStream;
  readonly #pin: string | undefined;
  readonly #suspicion: Suspicion;
  #shadow: ShadowCall | undefined;
  #routeReason = '';
  readonly #hold: Hold;
  #remember: ((answer: Buffer) => void) | undefined;

  constructor(context: GatewayContext, input: ExchangeInput) {
    this.#context = context;
    this.#input = input;
    this.#pin = input.request.modelVersion ?? headerOf(input.incoming, 'x-gantry-revision');
    this.#wish = {
      principal: input.principal,
      request: input.request,
      pin: this.#pin,
      session: headerOf(input.incoming, 'x-session-id'),
      tried: this.#tried,
    };
    this.#whole = new WholeAnswer(context.options.maxResponseBytes);
    this.#client = new ClientStream(input.response, context.options.stalledClientMs, context.now);
    const { endpointId } = input.route.route;
    this.#book = new RequestBook(context, input);
    this.#hold = new Hold(context, this.#book.load);
    this.#suspicion = new Suspicion(context, {
      tenantId: input.principal.tenantId,
      endpointId,
      url: input.incoming.url ?? '',
      request: input.request,
    });
  }

  start(): void {
    this.#book.open();
    this.#context.exchanges.add(this);
    this.#input.response.on('close', () => {
      if (!this.#isSettled) this.#leave();
    });
    if (this.#answerFromCache()) return;
    if (this.#suspicion.isRefused()) {
      this.#fail({ code: 'request_quarantined' });
      return;
    }
    this.#next();
    if (!this.#isSettled && this.#pin === undefined) {
      const { id, route, request } = this.#input;
      this.#shadow = copyToShadow(this.#context, id, route, request);
    }
  }

  /** An endpoint that allows it answers an equal request of the same tenant from memory, and counts no tokens. */
  #answerFromCache(): boolean {
    const cached = this.#pin === undefined ? cachedAnswer(this.#context, this.#input) : undefined;
    this.#remember = cached?.remember;
    if (cached?.body === undefined) return false;
    writeCached(this.#input, cached.body);
    this.#settle(200, noUsage);
    return true;
  }

  /** The gateway stops: what is still open is told so, and its work cancelled. */
  stop(): void {
    this.#fail({
      code: this.#client.isStreaming ? 'stream_interrupted' : 'shutting_down',
      retryAfterMs: 1_000,
    });
  }

  // ── choosing ──────────────────────────────────────────────────────────────────────────────────────────

  #next(): void {
    if (this.#isSettled) return;
    const chosen = this.#suspicion.mayRunNow() ? chooseReplica(this.#context, this.#wish) : undefined;
    if (chosen === undefined) {
      this.#wait();
      return;
    }
    this.#send(chosen.revision, chosen.choice);
  }

  /** Waits for a change of routes or for an ejected replica's time to be over; gives up at the deadline. */
  #wait(): void {
    const context = this.#context;
    const live = context.table.lookup(this.#input.principal.tenantId, this.#input.request.model);
    if (live === undefined || !canBePinned(live, this.#pin)) {
      this.#fail({ code: 'model_not_found', param: 'model' });
      return;
    }
    const refusal = this.#hold.refusal(live);
    if (refusal !== undefined) {
      this.#fail(refusal);
      return;
    }
    context.onHold(this.#input.route);
    if (this.#handOver({ code: 'no_ready_replica' })) return;
    this.#hold.wait(this.#msUntilUsable(context.now()), () => this.#next());
  }

  /** When an ejected replica's time is over, or a suspect may try again. */
  #msUntilUsable(now: number): number | undefined {
    const replicaMs = msUntilUsable(this.#context, this.#wish, now);
    return this.#suspicion.isSuspect ? Math.min(replicaMs ?? Infinity, suspectWaitMs) : replicaMs;
  }

  #send(revision: LiveRevision, { replica, uncachedTokens, reason }: RouterChoice): void {
    const prepared = upstreamCall(this.#input, revision, replica);
    if ('refused' in prepared) {
      this.#fail({ code: 'invalid_request', detail: prepared.refused });
      return;
    }
    if ('answer' in prepared) {
      this.#settle(200, noUsage);
      writeWhole(this.#input, prepared.answer);
      return;
    }
    this.#routeReason = reason;
    this.#book.noteSent();
    this.#attempts++;
    this.#tried.push(replica);
    this.#frames = undefined;
    this.#whole = new WholeAnswer(this.#context.options.maxResponseBytes);
    const attempt = new Attempt(this, revision, replica, uncachedTokens);
    attempt.toAnswer = prepared.toAnswer;
    this.#attempt = attempt;
    if (this.#attempts > 1) this.#book.series(revision).retries++;
    try {
      replica.pool.dispatch(prepared.call, attempt);
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
    const refusal = remoteRefusal(attempt, status);
    if (refusal === 'credentials') {
      attempt.replica.noteFailure(this.#context.now());
      const detail = 'The remote server does not take the credentials of this endpoint.';
      this.#fail({ code: 'upstream_failed', detail });
      return;
    }
    if (refusal === 'busy' && this.#handOver({ code: 'overloaded' })) {
      attempt.abandon(new Error('handed over'));
      return;
    }
    this.#whole.head = headers;
    const type = headers['content-type'];
    if (status === 200 && type !== undefined && type.startsWith('text/event-stream')) {
      this.#frames = new SseFrames({ stripUsage: this.#input.request.stripUsage });
    }
  }

  onChunk(attempt: Attempt, chunk: Buffer): void {
    this.#book.noteByte();
    if (this.#frames === undefined) {
      if (!this.#whole.push(chunk))
        this.#fail({ code: 'upstream_failed', detail: 'The answer is larger than this gateway holds.' });
      return;
    }
    this.#relay(attempt, this.#frames, chunk);
  }

  #relay(attempt: Attempt, frames: SseFrames, chunk: Buffer): void {
    const before = frames.tokenFrames;
    const out = frames.push(chunk);
    const tokens = frames.tokenFrames - before;
    if (tokens > 0) {
      const gapMs = this.#client.noteTokens(tokens);
      if (gapMs !== undefined) this.#book.series(attempt.revision).interTokenMs.record(gapMs);
    }
    if (frames.isOverflown) this.#fail({ code: 'stream_interrupted' });
    else if (out.length > 0) this.#client.write(attempt, () => this.#headers(attempt), out);
  }

  onEnd(attempt: Attempt): void {
    if (this.#frames === undefined) {
      this.#answer(attempt);
      return;
    }
    if (!this.#frames.isDone && this.#input.request.endsWithDone) {
      // Ended without [DONE]: the engine broke off, whatever its socket says.
      attempt.replica.noteFailure(this.#context.now());
      if (!this.#client.isStreaming && this.#mayRetry()) this.#next();
      else this.#fail({ code: 'stream_interrupted' });
      return;
    }
    attempt.replica.noteSuccess();
    if (this.#frames.whole !== undefined) this.#input.request.keep?.(this.#frames.whole);
    this.#settle(200);
    this.#input.response.end();
  }

  #answer(attempt: Attempt): void {
    const { response } = this.#input;
    const said = this.#whole.body();
    const body = attempt.toAnswer?.(attempt.status, said) ?? said;
    if (attempt.status < 500) attempt.replica.noteSuccess();
    else attempt.replica.noteServerError(this.#context.now());
    if (attempt.status === 200) {
      this.#remember?.(body);
      this.#input.request.keep?.(body);
    }
    this.#shadow?.compareWith(attempt.status === 200 ? body : undefined);
    this.#shadow = undefined;
    this.#settle(attempt.status, attempt.status === 200 ? (usageInJson(body) ?? noUsage) : noUsage);
    response.writeHead(attempt.status, {
      ...this.#headers(attempt),
      ...(attempt.toAnswer === undefined ? this.#whole.headers() : { 'content-type': 'application/json' }),
      'content-length': body.length,
    });
    response.end(body);
  }

  #headers(attempt: Attempt): OutgoingHttpHeaders {
    const why = `${this.#routeReason}; replica=${attempt.replica.replicaId}; attempts=${this.#tried.length}`;
    return answerHeaders(this.#input, attempt, why);
  }

  onFailure(attempt: Attempt, error: Error): void {
    attempt.replica.noteFailure(this.#context.now());
    if (this.#client.isStreaming) {
      this.#suspicion.isCondemned(attempt.replica.replicaId, error);
      this.#fail({ code: 'stream_interrupted' });
      return;
    }
    // Refused before anything was sent: no work was done, so it counts as no attempt and costs no retry.
    const wasRefused = isRefusal(error);
    if (wasRefused) this.#attempts--;
    else if (this.#suspicion.isCondemned(attempt.replica.replicaId, error)) {
      this.#fail({ code: 'request_quarantined' });
      return;
    }
    if (wasRefused || this.#mayRetry()) this.#next();
    else this.#fail({ code: isTimeout(error) ? 'upstream_timeout' : 'upstream_failed' });
  }

  #mayRetry(): boolean {
    return (
      !this.#client.isStreaming &&
      this.#attempts < this.#context.options.maxAttempts &&
      this.#context.retryBudget.take(this.#context.now())
    );
  }

  // ── ending ────────────────────────────────────────────────────────────────────────────────────────────

  #leave(): void {
    this.#attempt?.abandon(new Error('the client left'));
    this.#settle(clientLeft);
  }

  /** What the client has seen nothing of may be answered by another endpoint, where the route names one. */
  #handOver(problem: Problem): boolean {
    if (this.#client.isStreaming || this.#pin !== undefined || !this.#input.fallBack()) return false;
    this.#settle(problemStatus(problem));
    return true;
  }

  #fail(problem: Problem): void {
    if (this.#isSettled) return;
    this.#attempt?.abandon(new Error(problem.code));
    if (handedOver.has(problem.code) && this.#handOver(problem)) return;
    const { response } = this.#input;
    if (this.#client.isStreaming) {
      response.end(`data: ${problemBody(problem)}\n\n`);
    } else {
      writeProblem(response, problem, this.#input.id, dialectOf(this.#input.incoming.url));
    }
    this.#settle(problemStatus(problem));
  }

  /** Before the client hears the end: a server that dies in between must not have worked for nothing. */
  #settle(status: number, counted?: Usage): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#hold.end();
    this.#shadow?.compareWith(undefined);
    this.#client.close();
    this.#context.exchanges.delete(this);
    const { usage, isEstimated } = finalUsage(
      counted,
      this.#frames,
      this.#input.request.promptTokensEstimate,
    );
    this.#suspicion.end(status);
    this.#book.close({ attempt: this.#attempt, status, usage, isEstimated });
  }
}
