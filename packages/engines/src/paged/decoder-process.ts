/** The thread of a paged decoder, seen from the outside: a plan at a time, each answered once. */
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { createDeferred, type Deferred } from '@gantry/kit';
import type { StepPlan } from '@gantry/serving/steps';
import { EngineError } from '../engine-error.ts';
import type { AdapterOptions } from '../llamacpp/adapters.ts';

export interface DecoderThreadData {
  readonly folder: string;
  readonly threads: number;
  readonly contextTokens: number;
  readonly tokensPerBlock: number;
  readonly blocks: number;
  readonly memorySlots: number;
  readonly diskSlots: number;
  readonly spillFolder?: string;
  readonly adapters?: readonly AdapterOptions[];
}

export interface PlannedPass {
  readonly plan: StepPlan;
  /** The ids of entries whose last token's state is wanted too. */
  readonly embedded: readonly string[];
  /** The adapters of those that have one, by id. */
  readonly adapters: ReadonlyMap<string, string>;
}

export type DecoderRequest = ({ readonly kind: 'plan' } & PlannedPass) | { readonly kind: 'close' };

export interface Computed {
  /** Of each entry the rows that it wanted, [rows, vocabulary]. */
  readonly logits: readonly Float32Array[];
  /** Of each that is embedded: [width]. */
  readonly states: ReadonlyMap<string, Float32Array>;
}

export type DecoderAnswer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'refused'; readonly message: string }
  | ({ readonly kind: 'done' } & Computed)
  /** A move failed: what the K/V memory holds is not known. */
  | { readonly kind: 'lost'; readonly message: string }
  | { readonly kind: 'failed'; readonly message: string };

/** What the K/V memory held is lost; the tokens are not. */
export class KvLost extends Error {}

export interface DecoderProcess extends AsyncDisposable {
  compute(pass: PlannedPass): Promise<Computed>;
}

export async function startDecoder(data: DecoderThreadData): Promise<DecoderProcess> {
  const path = join(import.meta.dirname, `decoder-thread${extname(import.meta.filename)}`);
  const worker = new Worker(path, { workerData: data });
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  const ready = createDeferred<void>();
  let run: Deferred<Computed> | undefined;
  const fail = (error: Error): void => {
    ready.reject(error);
    run?.reject(error);
    run = undefined;
  };
  worker.on('message', (answer: DecoderAnswer) => {
    const current = run;
    if (answer.kind === 'ready') ready.resolve();
    else if (answer.kind === 'refused') fail(new EngineError('model_invalid', answer.message));
    else {
      run = undefined;
      if (answer.kind === 'done') current?.resolve(answer);
      else current?.reject(answer.kind === 'lost' ? new KvLost(answer.message) : new Error(answer.message));
    }
  });
  worker.once('error', (cause) => fail(new EngineError('engine_failed', 'The decoder failed.', { cause })));
  worker.once('exit', () => fail(new EngineError('engine_failed', 'The decoder ended.')));
  await ready.promise;
  return {
    compute: (pass) => {
      const next = createDeferred<Computed>();
      run = next;
      worker.postMessage({ kind: 'plan', ...pass } satisfies DecoderRequest);
      return next.promise;
    },
    [Symbol.asyncDispose]: async () => {
      worker.postMessage({ kind: 'close' } satisfies DecoderRequest);
      await ended;
    },
  };
}
