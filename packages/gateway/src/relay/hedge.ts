/** A second replica is asked when the first is slower than nearly all before it, where the route says so. */
import type { GatewayContext } from '../gateway-context.ts';
import type { RequestBook } from '../metering/request-book.ts';
import type { Suspicion } from '../quarantine/suspicion.ts';
import { chooseReplica, type ReplicaWish } from '../routes/choose-replica.ts';
import type { LiveRevision } from '../routes/route-table.ts';
import type { Attempts } from './attempts.ts';
import { upstreamCall } from './exchange-headers.ts';
import type { ExchangeInput } from './exchange-input.ts';

export class Hedge {
  readonly #context: GatewayContext;
  readonly #input: ExchangeInput;
  readonly #wish: ReplicaWish;
  readonly #attempts: Attempts;
  readonly #book: RequestBook;
  readonly #suspicion: Suspicion;

  constructor(
    context: GatewayContext,
    input: ExchangeInput,
    wish: ReplicaWish,
    attempts: Attempts,
    book: RequestBook,
    suspicion: Suspicion,
  ) {
    this.#context = context;
    this.#input = input;
    this.#wish = wish;
    this.#attempts = attempts;
    this.#book = book;
    this.#suspicion = suspicion;
  }

  /** In the time that the route names, else in what nearly all answers of the revision take; never while that is unknown. */
  after(revision: LiveRevision): void {
    if (!this.#mayAskTwice()) return;
    const delayMs = this.#input.route.route.hedging?.afterMs ?? this.#book.series(revision).slowMs();
    if (delayMs !== undefined) this.#attempts.hedgeAfter(delayMs, () => this.#ask());
  }

  /** Asking twice does no harm: nothing is kept between requests that a second one would disturb. */
  #mayAskTwice(): boolean {
    const { request } = this.#input;
    if (this.#wish.session !== undefined || request.sequence !== undefined) return false;
    return request.oip === undefined || request.oip.verb === 'infer';
  }

  #ask(): void {
    if (this.#suspicion.isSuspect) return;
    const chosen = chooseReplica(this.#context, this.#wish);
    if (chosen === undefined || this.#attempts.tried.includes(chosen.choice.replica)) return;
    const prepared = upstreamCall(this.#input, chosen.revision, chosen.choice.replica);
    if (!('call' in prepared) || !this.#context.retryBudget.take(this.#context.now())) return;
    this.#book.series(chosen.revision).hedges++;
    this.#attempts.hedge(chosen.revision, chosen.choice, prepared);
  }
}
