/** What one request leaves behind, whatever became of it: its record for the ledger, its statistics, its load. */
import { RequestSketch } from '../drift/request-sketch.ts';
import type { Attempt } from '../relay/attempt.ts';
import type { ExchangeInput } from '../relay/exchange-input.ts';
import type { GatewayContext } from '../gateway-context.ts';
import type { Series } from './series.ts';
import type { LoadMeter } from './load-meter.ts';
import type { MeterRecord } from './meter-record.ts';
import type { PayloadTap } from '../payloads/payload-tap.ts';
import type { LiveRevision } from '../routes/route-table.ts';
import type { Usage } from './usage.ts';

export interface Outcome {
  readonly attempt: Attempt | undefined;
  readonly status: number;
  readonly usage: Usage;
  readonly isEstimated: boolean;
  /** Of a request that is sampled for the payload log. */
  readonly tap: PayloadTap | undefined;
}

export class RequestBook {
  readonly load: LoadMeter;
  /** Of a request that drift is looked for in. */
  readonly sketch: RequestSketch | undefined;
  readonly #context: GatewayContext;
  readonly #input: ExchangeInput;
  #sentMs: number | undefined;
  /** Of the attempt whose answer streams: only one ever does. */
  #streamed: Series | undefined;
  #firstByteMs: number | undefined;

  constructor(context: GatewayContext, input: ExchangeInput) {
    this.#context = context;
    this.#input = input;
    this.load = context.loads.of(input.route.route.endpointId);
    this.sketch = this.load.sketches.take(input.startedMs)
      ? new RequestSketch(input.request, input.incoming.headers)
      : undefined;
  }

  open(): void {
    this.#context.stats.inFlight++;
    this.load.enter(this.#context.now());
  }

  noteSent(): void {
    this.#sentMs = this.#context.now();
  }

  noteByte(): void {
    this.#firstByteMs ??= this.#context.now();
  }

  series(revision: LiveRevision | undefined): Series {
    const { route, principal, startedMs } = this.#input;
    const { tenantId } = principal;
    return this.#context.stats.seriesFor(tenantId, route.route.endpointName, revision?.revision, startedMs);
  }

  /** Milliseconds that each token took since the last. */
  noteGap({ revision, replica }: Attempt, gapMs: number): void {
    this.#streamed ??= this.series(revision);
    this.#streamed.interTokenMs.record(gapMs);
    replica.series.interTokenMs.record(gapMs);
  }

  /** Once, and before the client hears the end. */
  close({ attempt, status, usage, isEstimated, tap }: Outcome): void {
    const { stats, meter, onPayload, now } = this.#context;
    const { latencyObjectiveMs } = this.#input.route.route;
    const { principal, route, admission, id, startedMs, incoming } = this.#input;
    const endedMs = now();
    stats.inFlight--;
    admission.settle(usage);
    const serviceMs = this.#sentMs === undefined ? undefined : endedMs - this.#sentMs;
    this.load.leave(endedMs, endedMs - startedMs, serviceMs, usage.completionTokens);
    const record = {
      id,
      tenantId: principal.tenantId,
      principalId: principal.principalId,
      endpointId: route.route.endpointId,
      revisionId: attempt?.revision.revision.revisionId,
      replicaId: attempt?.replica.replicaId,
      ...usage,
      requestMs: endedMs - startedMs,
      ttftMs: this.#firstByteMs === undefined ? undefined : this.#firstByteMs - startedMs,
      status,
      isEstimated,
    };
    this.series(attempt?.revision).note(record, latencyObjectiveMs);
    attempt?.replica.series.note(record, latencyObjectiveMs);
    meter(record);
    this.#tellSketch(record);
    if (tap !== undefined)
      onPayload({ ...record, path: incoming.url ?? '', request: tap.request(), answer: tap.answer() });
  }
  /** Once the client has its answer. A client that left says nothing about the model. */
  #tellSketch(record: MeterRecord): void {
    const { sketch } = this;
    const { endpointId, revisionId, status } = record;
    if (sketch === undefined || revisionId === undefined || status === 499) return;
    const { onSketch, random } = this.#context;
    setImmediate(() => onSketch({ endpointId, revisionId, sample: sketch.read(record, random) }));
  }
}
