/**
 * A tensor model with its requests joined: each waits in the lane of its shape, lanes take turns at the free
 * instances, and the rows of an answer go back to whom they belong.
 */
import { ShapeLanes, type BatchPolicy } from '@gantry/serving';
import { countOf, createDeferred, type Deferred } from '@gantry/kit';
import { EngineError } from '../engine-error.ts';
import type { InferCall } from '../oip/parse-infer.ts';
import { joinRows, sliceRows, type WireTensor } from '../oip/wire-tensor.ts';
import { createRecentQuantiles } from '../recent-quantiles.ts';
import { AnswerOrder } from './answer-order.ts';
import type { OnnxInstance } from './onnx-instance.ts';
import {
  batchShapeOf,
  checkInputs,
  checkOutputs,
  shapeKey,
  type BatchShape,
  type TensorSignature,
} from './tensor-signature.ts';
import type { TensorModel } from './tensor-model.ts';

export interface TensorEngineOptions {
  readonly modelPath: string;
  /** Threads of all instances together. */
  readonly threads: number;
  /** Sessions that compute at the same time, each with its share of the threads; default 1. */
  readonly instances?: number;
  readonly providers?: readonly string[];
  readonly runtime?: string;
  /** Each computing thread keeps to a core of its own, where there are enough. */
  readonly isPinned?: boolean;
  /** Weights in files beside the model's stay mapped instead of being laid out anew for speed. */
  readonly isMapped?: boolean;
  readonly policy: BatchPolicy;
  /** The user gave batch knobs: a fixed first dimension is then a batch to fill. */
  readonly isBatchDeclared: boolean;
}

interface Waiting {
  readonly inputs: readonly WireTensor[];
  readonly outputs: readonly string[];
  readonly rows: number;
  readonly arrivedMs: number;
  readonly shape: string;
  readonly done: Deferred<readonly WireTensor[]>;
}

export class TensorEngine implements TensorModel {
  readonly signature: TensorSignature;
  readonly batch: BatchShape;
  readonly #policy: BatchPolicy;
  readonly #instances: readonly OnnxInstance[];
  readonly #free: OnnxInstance[];
  readonly #lanes: ShapeLanes<Waiting>;
  /** Where answers leave in the order of arrival. */
  readonly #order: AnswerOrder<Waiting> | undefined;
  /** Of a batch that failed: one bad request must not fail those it met by chance, so each runs again by itself. */
  readonly #alone: Waiting[] = [];
  readonly #queueMs = createRecentQuantiles();
  readonly #computeMs = createRecentQuantiles();
  readonly #batchRows = createRecentQuantiles();
  readonly #counts = { requests: 0, rows: 0, batches: 0, paddedRows: 0, timedOut: 0, refused: 0 };
  #timer: NodeJS.Timeout | undefined;
  #timerMs = Infinity;

  constructor(options: TensorEngineOptions, instances: readonly OnnxInstance[]) {
    this.#instances = instances;
    this.#free = [...instances];
    this.signature = (instances[0] as OnnxInstance).signature;
    this.batch = batchShapeOf(this.signature, options.isBatchDeclared);
    const maxBatchSize =
      this.batch.kind === 'none' ? 1 : this.batch.kind === 'fixed' ? this.batch.rows : undefined;
    this.#policy = { ...options.policy, ...(maxBatchSize === undefined ? {} : { maxBatchSize }) };
    this.#lanes = new ShapeLanes(this.#policy);
    this.#order = this.#policy.preserveOrdering ? new AnswerOrder() : undefined;
  }

  infer(call: InferCall, signal: AbortSignal): Promise<readonly WireTensor[]> {
    const rows = checkInputs(this.signature, this.batch, call.inputs);
    checkOutputs(this.signature, call.outputs);
    const wanted = call.outputs.length > 0 ? call.outputs : this.signature.outputs;
    if (call.isWarmUp === true) return this.#computeEverywhere(call.inputs, rows, wanted);
    const nowMs = performance.now();
    const waiting: Waiting = {
      shape: shapeKey(call.inputs),
      inputs: call.inputs,
      outputs: wanted.map(({ name }) => name),
      rows,
      arrivedMs: nowMs,
      done: createDeferred(),
    };
    const { priority, timeoutMs } = call;
    const request = {
      item: waiting,
      rows,
      ...(priority === undefined ? {} : { priority }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    };
    const admitted = this.#lanes.enqueue(waiting.shape, request, nowMs);
    if (admitted.kind === 'refused') {
      this.#counts.refused += 1;
      throw this.#refusal(admitted.reason, rows);
    }
    this.#counts.requests += 1;
    this.#order?.enter(waiting, admitted.level);
    signal.addEventListener('abort', () => this.#leave(waiting), { once: true });
    this.#pump();
    return waiting.done.promise;
  }

  /** Its client left: what does not run yet never will. */
  #leave(waiting: Waiting): void {
    if (!this.#lanes.cancel(waiting.shape, waiting)) return;
    this.#order?.pass(waiting);
    waiting.done.reject(new EngineError('timed_out', 'The client left.'));
  }

  /** On each instance by itself; the answer is the last one's. */
  async #computeEverywhere(
    inputs: readonly WireTensor[],
    rows: number,
    wanted: readonly { readonly name: string }[],
  ): Promise<readonly WireTensor[]> {
    if (rows > this.#policy.maxBatchSize) throw this.#refusal('too-many-rows', rows);
    const padRows = this.batch.kind === 'fixed' ? this.batch.rows - rows : 0;
    const padded = inputs.map((tensor) => ({ ...joinRows([tensor], padRows), isOwned: false }));
    let tensors: readonly WireTensor[] = [];
    for (const instance of this.#instances)
      ({ tensors } = await instance.run(
        padded,
        wanted.map(({ name }) => name),
      ));
    return tensors.map((tensor) => (padRows === 0 ? tensor : sliceRows(tensor, 0, rows)));
  }

  #refusal(reason: 'queue-full' | 'too-many-rows', rows: number): EngineError {
    return reason === 'queue-full'
      ? new EngineError('queue_full', 'The queue of this model is full.', { hint: 'Try again later.' })
      : new EngineError(
          'invalid_value',
          `${countOf(rows, 'row')} came in one request; at most ${this.#policy.maxBatchSize} can be computed together.`,
          { param: 'inputs', hint: 'Send them in several requests.' },
        );
  }

  stats(): object {
    const { rows, paddedRows } = this.#counts;
    return {
      ...this.#counts,
      /** Of all rows computed, how many were padding. */
      waste: paddedRows === 0 ? 0 : paddedRows / (rows + paddedRows),
      queued: this.#lanes.waiting,
      /** Rows that are joined at most now: the learned size of the shape that came last. */
      rowsWorthJoining: this.#lanes.sizeLimit,
      running: this.#instances.length - this.#free.length,
      instances: this.#instances.length,
      batchRows: this.#batchRows.summary(),
      queueMs: this.#queueMs.summary(),
      computeMs: this.#computeMs.summary(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    for (const instance of this.#instances) await instance[Symbol.asyncDispose]();
  }

  /** Starts what may start now and sets the clock for what may start later. */
  #pump(): void {
    const nowMs = performance.now();
    while (this.#free.length > 0 && this.#alone.length > 0)
      this.#start([this.#alone.shift() as Waiting], nowMs);
    const { batches, expired, delayed, wakeAtMs = Infinity } = this.#lanes.next(nowMs, this.#free.length);
    for (const waiting of expired) this.#expire(waiting);
    // It lost its place: nobody waits for its answer any more.
    for (const waiting of delayed) this.#order?.pass(waiting);
    for (const { items } of batches) this.#start(items, nowMs);
    if (wakeAtMs === this.#timerMs) return;
    clearTimeout(this.#timer);
    this.#timerMs = wakeAtMs;
    if (wakeAtMs === Infinity) return;
    this.#timer = setTimeout(
      () => {
        this.#timerMs = Infinity;
        this.#pump();
      },
      Math.max(0, wakeAtMs - nowMs),
    );
  }

  #expire(waiting: Waiting): void {
    this.#counts.timedOut += 1;
    this.#order?.pass(waiting);
    waiting.done.reject(
      new EngineError('timed_out', 'The request waited longer than its time limit.', {
        hint: 'Try again later.',
      }),
    );
  }

  #start(batch: readonly Waiting[], nowMs: number): void {
    const instance = this.#free.pop() as OnnxInstance;
    for (const { arrivedMs } of batch) this.#queueMs.record(nowMs - arrivedMs);
    this.#compute(instance, batch).then(
      (answers) => {
        for (const [index, waiting] of batch.entries())
          this.#answer(waiting, answers[index] as readonly WireTensor[]);
      },
      (error: unknown) => {
        if (batch.length > 1) {
          this.#alone.push(...batch);
          this.#pump();
          return;
        }
        const [waiting] = batch as [Waiting];
        this.#order?.pass(waiting);
        waiting.done.reject(error);
      },
    );
  }

  #answer(waiting: Waiting, tensors: readonly WireTensor[]): void {
    if (this.#order === undefined) waiting.done.resolve(tensors);
    else this.#order.pass(waiting, () => waiting.done.resolve(tensors));
  }

  async #compute(
    instance: OnnxInstance,
    batch: readonly Waiting[],
  ): Promise<readonly (readonly WireTensor[])[]> {
    const rows = batch.reduce((sum, one) => sum + one.rows, 0);
    const padRows = this.batch.kind === 'fixed' ? this.batch.rows - rows : 0;
    const names = [...new Set(batch.flatMap(({ outputs }) => outputs))];
    try {
      const inputs = this.signature.inputs.map(({ name }) =>
        joinRows(
          batch.map((one) => one.inputs.find((tensor) => tensor.name === name) as WireTensor),
          padRows,
        ),
      );
      const { tensors, computeMs } = await instance.run(inputs, names);
      this.#observe((batch[0] as Waiting).shape, rows, padRows, computeMs);
      let from = 0;
      return batch.map((one) => {
        const mine = tensors
          .filter(({ name }) => one.outputs.includes(name))
          .map((tensor) => (this.batch.kind === 'none' ? tensor : sliceRows(tensor, from, one.rows)));
        from += one.rows;
        return mine;
      });
    } finally {
      this.#free.push(instance);
      this.#pump();
    }
  }

  #observe(shape: string, rows: number, padRows: number, computeMs: number): void {
    this.#counts.batches += 1;
    this.#counts.rows += rows;
    this.#counts.paddedRows += padRows;
    this.#batchRows.record(rows);
    this.#computeMs.record(computeMs);
    if (this.batch.kind !== 'free') return;
    this.#lanes.observe(shape, rows, computeMs);
  }
}
