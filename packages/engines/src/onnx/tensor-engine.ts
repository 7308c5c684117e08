/**
 * A tensor model with its requests joined: each waits in the lane of its shape, lanes take turns at the free
 * instances, and the rows of an answer go back to whom they belong.
 */
import { DynamicBatcher, LatencyCurve, type BatchPolicy } from '@gantry/serving';
import { createDeferred, type Deferred } from '@gantry/kit';
import { EngineError } from '../engine-error.ts';
import type { InferCall } from '../oip/parse-infer.ts';
import { joinRows, sliceRows, type WireTensor } from '../oip/wire-tensor.ts';
import { createRecentQuantiles } from '../recent-quantiles.ts';
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
  readonly lane: Lane;
  readonly done: Deferred<readonly WireTensor[]>;
}

/** Requests of one shape. */
interface Lane {
  readonly batcher: DynamicBatcher<Waiting>;
  readonly curve: LatencyCurve;
  /** Of the last use, so that lanes of shapes that come once do not pile up. */
  usedMs: number;
}

const mostLanes = 256;

export class TensorEngine implements TensorModel {
  readonly signature: TensorSignature;
  readonly batch: BatchShape;
  readonly #policy: BatchPolicy;
  readonly #instances: readonly OnnxInstance[];
  readonly #free: OnnxInstance[];
  readonly #lanes = new Map<string, Lane>();
  /** Of a batch that failed: one bad request must not fail those it met by chance, so each runs again by itself. */
  readonly #alone: Waiting[] = [];
  readonly #queueMs = createRecentQuantiles();
  readonly #computeMs = createRecentQuantiles();
  readonly #batchRows = createRecentQuantiles();
  readonly #counts = { requests: 0, rows: 0, batches: 0, paddedRows: 0, timedOut: 0 };
  /** The answers of the batches in the order of their start, where the order must be kept. */
  #order: Promise<unknown> = Promise.resolve();
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
  }

  infer(call: InferCall, signal: AbortSignal): Promise<readonly WireTensor[]> {
    const rows = checkInputs(this.signature, this.batch, call.inputs);
    checkOutputs(this.signature, call.outputs);
    const wanted = call.outputs.length > 0 ? call.outputs : this.signature.outputs;
    if (call.isWarmUp === true) return this.#computeEverywhere(call.inputs, rows, wanted);
    const nowMs = performance.now();
    const lane = this.#laneOf(call.inputs, nowMs);
    const waiting: Waiting = {
      lane,
      inputs: call.inputs,
      outputs: wanted.map(({ name }) => name),
      rows,
      arrivedMs: nowMs,
      done: createDeferred(),
    };
    const admitted = lane.batcher.enqueue(
      {
        item: waiting,
        rows,
        ...(call.priority === undefined ? {} : { priority: call.priority }),
        ...(call.timeoutMs === undefined ? {} : { timeoutMs: call.timeoutMs }),
      },
      nowMs,
    );
    if (admitted.kind === 'refused') throw this.#refusal(admitted.reason, rows);
    this.#counts.requests += 1;
    signal.addEventListener('abort', () => lane.batcher.cancel(waiting), { once: true });
    this.#pump();
    return waiting.done.promise;
  }

  /** On each instance by itself; the answer is the last one's. */
  async #computeEverywhere(
    inputs: readonly WireTensor[],
    rows: number,
    wanted: readonly { readonly name: string }[],
  ): Promise<readonly WireTensor[]> {
    if (rows > this.#policy.maxBatchSize) throw this.#refusal('too-many-rows', rows);
    const padRows = this.batch.kind === 'fixed' ? this.batch.rows - rows : 0;
    const padded = inputs.map((tensor) => joinRows([tensor], padRows));
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
          `${rows} rows came in one request; at most ${this.#policy.maxBatchSize} are computed together.`,
          { param: 'inputs', hint: 'Send them in several requests.' },
        );
  }

  stats(): object {
    const { rows, paddedRows } = this.#counts;
    return {
      ...this.#counts,
      /** Of all rows computed, how many were padding. */
      waste: paddedRows === 0 ? 0 : paddedRows / (rows + paddedRows),
      queued: [...this.#lanes.values()].reduce((sum, { batcher }) => sum + batcher.waiting, 0),
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

  #laneOf(inputs: readonly WireTensor[], nowMs: number): Lane {
    const key = shapeKey(inputs);
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      if (this.#lanes.size >= mostLanes) this.#dropIdleLane();
      lane = { batcher: new DynamicBatcher(this.#policy), curve: new LatencyCurve(), usedMs: nowMs };
      this.#lanes.set(key, lane);
    }
    lane.usedMs = nowMs;
    return lane;
  }

  #dropIdleLane(): void {
    let oldest: { readonly key: string; readonly usedMs: number } | undefined;
    for (const [key, { batcher, usedMs }] of this.#lanes)
      if (batcher.waiting === 0 && usedMs < (oldest?.usedMs ?? Infinity)) oldest = { key, usedMs };
    if (oldest !== undefined) this.#lanes.delete(oldest.key);
  }

  /** Starts what may start now and sets the clock for what may start later. */
  #pump(): void {
    const nowMs = performance.now();
    let wakeAtMs = Infinity;
    while (this.#free.length > 0 && this.#alone.length > 0)
      this.#start([this.#alone.shift() as Waiting], nowMs);
    // Lanes take turns: who was served goes to the end.
    const lanes = [...this.#lanes];
    for (const [key, lane] of lanes) {
      for (;;) {
        const decision = lane.batcher.next(nowMs, this.#free.length > 0);
        for (const waiting of decision.expired) this.#expire(waiting);
        if (decision.batch.length === 0) {
          wakeAtMs = Math.min(wakeAtMs, decision.wakeAtMs ?? Infinity);
          break;
        }
        this.#lanes.delete(key);
        this.#lanes.set(key, lane);
        this.#start(decision.batch, nowMs);
      }
    }
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

  #expire({ done }: Waiting): void {
    this.#counts.timedOut += 1;
    done.reject(
      new EngineError('timed_out', 'The request waited longer than its time limit.', {
        hint: 'Try again later.',
      }),
    );
  }

  #start(batch: readonly Waiting[], nowMs: number): void {
    const instance = this.#free.pop() as OnnxInstance;
    for (const { arrivedMs } of batch) this.#queueMs.record(nowMs - arrivedMs);
    const work = this.#compute(instance, batch);
    const before = this.#order;
    const settled = (async () => {
      const answers = await work;
      if (this.#policy.preserveOrdering) await before.catch(() => undefined);
      for (const [index, { done }] of batch.entries()) done.resolve(answers[index] as readonly WireTensor[]);
    })();
    this.#order = settled;
    settled.catch((error: unknown) => {
      if (batch.length === 1) batch[0]?.done.reject(error);
      else {
        this.#alone.push(...batch);
        this.#pump();
      }
    });
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
      this.#observe((batch[0] as Waiting).lane, rows, padRows, computeMs);
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

  #observe(lane: Lane, rows: number, padRows: number, computeMs: number): void {
    this.#counts.batches += 1;
    this.#counts.rows += rows;
    this.#counts.paddedRows += padRows;
    this.#batchRows.record(rows);
    this.#computeMs.record(computeMs);
    if (this.batch.kind !== 'free') return;
    lane.curve.observe(rows, computeMs);
    lane.batcher.limitSize(lane.curve.bestSize(this.#policy.maxBatchSize));
  }
}
