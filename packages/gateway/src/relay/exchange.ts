/**
 * One inference request from admission to its last byte: pick a replica, relay, retry while the client has
 * seen nothing, count tokens, settle. Everything is callbacks on purpose: a promise per chunk would cost more
 * than the relay.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { AnswerRelay } from './answer-relay.ts';
import type { Attempt, AttemptListener } from './attempt.ts';
import { Attempts } from './attempts.ts';
import { cachedAnswer, writeCached, writeWhole } from '../answer-cache/cached-answer.ts';
import { canBePinned } from '../routes/choose-arm.ts';
import { chooseReplica, isBound, msUntilUsable, toWish, type ReplicaWish } from '../routes/choose-replica.ts';
import { isRefusal, isTimeout } from './connection-errors.ts';
import { remoteRefusal, upstreamCall } from './exchange-headers.ts';
import type { ExchangeInput } from './exchange-input.ts';
import { badGateway, clientLeft, handedOver, notNow, outOfTime } from './exchange-rules.ts';
import { finalUsage } from '../metering/final-usage.ts';
import type { GatewayContext } from '../gateway-context.ts';
import { Hedge } from './hedge.ts';
import { Hold } from './hold-request.ts';
import { tapFor, type PayloadTap } from '../payloads/payload-tap.ts';
import { dialectOf, problemBody, problemStatus, type Problem } from '../http/problem.ts';
import { openaiRefusal } from '../remote/openai-refusal.ts';
import { RequestBook } from '../metering/request-book.ts';
import type { RouterChoice } from '../routes/replica-router.ts';
import type { LiveRevision } from '../routes/route-table.ts';
import { copyToShadow, type ShadowCall } from '../shadow/shadow-call.ts';
import { Suspicion } from '../quarantine/suspicion.ts';
import { writeProblem } from '../http/write-problem.ts';
import { noUsage, usageInJson, type Usage } from '../metering/usage.ts';

export class Exchange implements AttemptListener {
  readonly #context: GatewayContext;
  readonly #input: ExchangeInput;
  readonly #attempts = new Attempts(this);
  readonly #wish: ReplicaWish;
  readonly #relay: AnswerRelay;
  readonly #tap: PayloadTap | undefined;
  #isSettled = false;
  readonly #book: RequestBook;
  readonly #pin: string | undefined;
  readonly #suspicion: Suspicion;
  readonly #hedge: Hedge | undefined;
  #shadow: ShadowCall | undefined;
  readonly #hold: Hold;
  #remember: ((answer: Buffer) => void) | undefined;

  constructor(context: GatewayContext, input: ExchangeInput) {
    this.#context = context;
    this.#input = input;
    this.#wish = toWish(input, this.#attempts.tried);
    this.#pin = this.#wish.pin;
    this.#book = new RequestBook(context, input);
    this.#tap = tapFor(input, context.random);
    this.#relay = new AnswerRelay(context, {
      input,
      book: this.#book,
      tap: this.#tap,
      why: (attempt) => this.#attempts.why(attempt),
    });
    this.#hold = new Hold(context, this.#book.load);
    this.#suspicion = new Suspicion(context, input);
    if (input.route.route.hedging !== undefined)
      this.#hedge = new Hedge(context, input, this.#wish, this.#attempts, this.#book, this.#suspicion);
  }

  start(): void {
    this.#book.open();
    this.#context.exchanges.add(this);
    this.#input.response.on('close', () => {
      if (this.#isSettled) return;
      this.#attempts.abandon('the client left');
      this.#settle(clientLeft);
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

  isAt(replicaId: string): boolean {
    return this.#attempts.isAt(replicaId);
  }

  /** For whoever looks whether its answer gets anywhere. */
  get progress() {
    return this.#relay.progress;
  }

  get keyId(): string | undefined {
    return this.#input.principal.keyId;
  }

  /** Its caller may have lost the right to it. */
  recheck(isGood: true | undefined): void {
    if (isGood === undefined) this.#fail({ code: 'invalid_api_key' });
  }

  /** Ends what is still open, because the gateway stops or its answer gets nowhere, and cancels the work behind it. */
  end(code: 'shutting_down' | 'upstream_timeout'): void {
    if (code === 'upstream_timeout') this.#attempts.current?.replica.noteFailure(this.#context.now());
    this.#fail({ code: this.#relay.isStreaming ? 'stream_interrupted' : code, retryAfterMs: 1_000 });
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
    const usableMs = msUntilUsable(context, this.#wish, context.now());
    this.#hold.wait(this.#suspicion.waitMs(usableMs), () => this.#next());
  }

  #send(revision: LiveRevision, choice: RouterChoice): void {
    const prepared = upstreamCall(this.#input, revision, choice.replica);
    if ('refused' in prepared) {
      this.#fail({ code: 'invalid_request', detail: prepared.refused });
      return;
    }
    if ('answer' in prepared) {
      this.#settle(200, noUsage);
      writeWhole(this.#input, prepared.answer);
      return;
    }
    this.#book.noteSent();
    this.#attempts.send(revision, choice, prepared);
    if (this.#attempts.count > 1) this.#book.series(revision).retries++;
    else this.#hedge?.after(revision);
  }

  // ── relaying ──────────────────────────────────────────────────────────────────────────────────────────

  onHead(attempt: Attempt, status: number, headers: IncomingHttpHeaders): void {
    const isNotNow = status === notNow;
    if (isNotNow) this.#attempts.count--;
    if (isNotNow || (status === badGateway && this.#mayRetry())) {
      attempt.abandon(new Error('retrying elsewhere'));
      attempt.replica.noteFailure(this.#context.now());
      if (!this.#attempts.goesOnWithout(attempt)) this.#next();
      return;
    }
    if (status === outOfTime && this.#attempts.goesOnWithout(attempt)) {
      attempt.abandon(new Error('another is still at work'));
      return;
    }
    this.#attempts.listenTo(attempt);
    const refusal = remoteRefusal(attempt, status);
    if (refusal?.code === 'upstream_failed') {
      attempt.replica.noteFailure(this.#context.now());
      this.#fail(refusal);
      return;
    }
    if (refusal !== undefined && this.#handOver(refusal)) {
      attempt.abandon(new Error('handed over'));
      return;
    }
    this.#relay.begin(status, headers);
  }

  onChunk(attempt: Attempt, chunk: Buffer): void {
    const problem = this.#relay.push(attempt, chunk);
    if (problem !== undefined) this.#fail(problem);
  }

  onEnd(attempt: Attempt): void {
    const { frames } = this.#relay;
    if (frames === undefined) {
      this.#answer(attempt);
      return;
    }
    const isUnsaid = !frames.isDone && this.#input.request.endsWithDone;
    if (isUnsaid && !frames.isAnswerWhole) {
      // Ended without [DONE] or a last frame: the engine broke off, whatever its socket says.
      attempt.replica.noteFailure(this.#context.now());
      if (!this.#relay.isStreaming && this.#mayRetry()) this.#next();
      else this.#fail({ code: 'stream_interrupted' });
      return;
    }
    attempt.replica.noteSuccess();
    if (frames.whole !== undefined) this.#input.request.keep?.(frames.whole);
    this.#settle(200);
    if (isUnsaid) this.#input.response.end('data: [DONE]\n\n');
    else this.#input.response.end();
  }

  #answer(attempt: Attempt): void {
    if (attempt.status >= 400 && this.#input.request.oip === undefined) attempt.toAnswer = openaiRefusal;
    const body = this.#relay.body(attempt);
    if (attempt.status < 500) attempt.replica.noteSuccess();
    else attempt.replica.noteServerError(this.#context.now());
    if (attempt.status === 200) {
      this.#remember?.(body);
      this.#input.request.keep?.(body);
    }
    this.#shadow?.compareWith(attempt.status === 200 ? body : undefined);
    this.#shadow = undefined;
    this.#settle(attempt.status, attempt.status === 200 ? (usageInJson(body) ?? noUsage) : noUsage);
    this.#relay.write(attempt, body);
  }

  onFailure(attempt: Attempt, error: Error): void {
    attempt.replica.noteFailure(this.#context.now());
    if (this.#relay.isStreaming) {
      this.#suspicion.isCondemned(attempt.replica.replicaId, error);
      this.#fail({ code: 'stream_interrupted' });
      return;
    }
    if (this.#attempts.goesOnWithout(attempt)) return;
    // Refused before anything was sent: no work was done, so it counts as no attempt and costs no retry.
    const wasRefused = isRefusal(error);
    if (wasRefused) this.#attempts.count--;
    else if (this.#suspicion.isCondemned(attempt.replica.replicaId, error)) {
      this.#fail({ code: 'request_quarantined' });
      return;
    }
    if (wasRefused || this.#mayRetry()) this.#next();
    else this.#fail({ code: isTimeout(error) ? 'upstream_timeout' : 'upstream_failed' });
  }

  #mayRetry(): boolean {
    return (
      !this.#relay.isStreaming &&
      // It may have been counted in already.
      this.#input.request.sequence === undefined &&
      this.#attempts.count < this.#context.options.maxAttempts &&
      this.#context.retryBudget.take(this.#context.now())
    );
  }

  // ── ending ────────────────────────────────────────────────────────────────────────────────────────────

  /** What the client has seen nothing of may be answered by another endpoint, where the route names one. */
  #handOver(problem: Problem): boolean {
    if (this.#relay.isStreaming || isBound(this.#wish) || !this.#input.fallBack()) return false;
    this.#settle(problemStatus(problem));
    return true;
  }

  #fail(problem: Problem): void {
    if (this.#isSettled) return;
    this.#attempts.abandon(problem.code);
    if (handedOver.has(problem.code) && this.#handOver(problem)) return;
    const { response } = this.#input;
    if (this.#relay.isStreaming) response.end(`data: ${problemBody(problem)}\n\n`);
    else writeProblem(response, problem, this.#input.id, dialectOf(this.#input.incoming.url));
    this.#settle(problemStatus(problem));
  }

  /** Before the client hears the end: a server that dies in between must not have worked for nothing. */
  #settle(status: number, counted?: Usage): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#hold.end();
    this.#attempts.end();
    this.#shadow?.compareWith(undefined);
    this.#relay.close();
    this.#context.exchanges.delete(this);
    const counts = finalUsage(counted, this.#relay.frames, this.#input.request.promptTokensEstimate);
    this.#suspicion.end(status);
    this.#book.close({ ...counts, attempt: this.#attempts.current, status, tap: this.#tap });
  }
}
