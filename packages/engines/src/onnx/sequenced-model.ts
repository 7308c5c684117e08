/**
 * A model with a memory (Triton's sequence batcher with implicit state): the outputs that are its state are kept for
 * each sequence and given back as inputs with its next request. Requests of one sequence run in order, those of
 * different sequences are joined like any others.
 */
import { EngineError } from '../engine-error.ts';
import type { InferCall } from '../oip/parse-infer.ts';
import type { WireTensor } from '../oip/wire-tensor.ts';
import type { TensorModel } from './tensor-model.ts';
import { blankInput, type TensorSignature } from './tensor-signature.ts';

export interface SequenceOptions {
  /** State input → the output that it is next time. It begins with zeros. */
  readonly states: Readonly<Record<string, string>>;
  /** A sequence that hears nothing for so long is forgotten. */
  readonly idleMs: number;
  /** At once; beyond it none may start. */
  readonly most: number;
  /** A test turns it. */
  readonly nowMs?: () => number;
}

interface Live {
  states: readonly WireTensor[];
  usedMs: number;
  running: number;
  /** Settles when its last request is over. */
  turn: Promise<unknown>;
}

export class SequencedModel implements TensorModel {
  readonly signature: TensorSignature;
  readonly #model: TensorModel;
  readonly #options: SequenceOptions;
  readonly #nowMs: () => number;
  readonly #blank: readonly WireTensor[];
  /** The one that was used longest ago first. */
  readonly #live = new Map<string, Live>();
  #timedOut = 0;

  constructor(model: TensorModel, options: SequenceOptions) {
    this.#model = model;
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => performance.now());
    const { inputs, outputs } = model.signature;
    const [from, to] = [Object.keys(options.states), Object.values(options.states)];
    const states = inputs.filter(({ name }) => from.includes(name));
    const unknown =
      from.find((name) => !states.some((info) => info.name === name)) ??
      to.find((name) => !outputs.some((info) => info.name === name));
    if (unknown !== undefined)
      throw new EngineError('model_invalid', `The model has no "${unknown}" for a state.`, {
        hint: 'batching.sequence.states names inputs of the model, each with the output that it is next time.',
      });
    this.signature = {
      inputs: inputs.filter(({ name }) => !from.includes(name)),
      outputs: outputs.filter(({ name }) => !to.includes(name)),
    };
    this.#blank = states.map((info) => blankInput(info, { kind: 'free' }, 1));
  }

  async infer(call: InferCall, signal: AbortSignal): Promise<readonly WireTensor[]> {
    const { id, isEnd } = this.#required(call);
    const sequence = this.#find(call);
    const before = sequence.turn;
    sequence.running += 1;
    const work = (async () => {
      await before.catch(() => undefined);
      return this.#run(sequence, call, signal);
    })();
    sequence.turn = work;
    try {
      return await work;
    } finally {
      sequence.running -= 1;
      sequence.usedMs = this.#nowMs();
      if (isEnd && this.#live.get(id) === sequence) this.#live.delete(id);
    }
  }

  stats(): object {
    this.#forgetIdle();
    return { ...this.#model.stats(), sequences: this.#live.size, sequencesTimedOut: this.#timedOut };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#model[Symbol.asyncDispose]();
  }

  #required({ sequence, inputs }: InferCall): NonNullable<InferCall['sequence']> {
    if (sequence === undefined)
      throw bad('sequence_id', 'This model keeps a state: name a sequence_id in the parameters.');
    if (inputs.some(({ shape }) => shape[0] !== 1))
      throw bad('inputs', 'A request of a sequence has one row.', 'Send the rows one after the other.');
    return sequence;
  }

  #find(call: InferCall): Live {
    this.#forgetIdle();
    const { id, isStart } = this.#required(call);
    const known = this.#live.get(id);
    this.#live.delete(id);
    if (!isStart && known === undefined)
      throw bad(
        'sequence_id',
        `The sequence ${id} is not known here.`,
        'Begin it with sequence_start; one that was idle too long is forgotten.',
      );
    if (this.#live.size >= this.#options.most)
      throw new EngineError(
        'queue_full',
        `${this.#options.most} sequences are open already, the most there may be.`,
        {
          hint: 'End some with sequence_end, or try again later.',
        },
      );
    // A second start begins anew; what still runs of the first keeps its own state.
    const sequence =
      isStart || known === undefined
        ? { states: this.#blank, usedMs: this.#nowMs(), running: 0, turn: Promise.resolve() }
        : known;
    this.#live.set(id, sequence);
    return sequence;
  }

  async #run(sequence: Live, call: InferCall, signal: AbortSignal): Promise<readonly WireTensor[]> {
    const { states } = this.#options;
    const kept = Object.values(states);
    const wanted = call.outputs.length > 0 ? call.outputs : this.signature.outputs;
    const names = [...wanted.map(({ name }) => name), ...kept];
    const outputs = names.map((name) => ({ name, isBinary: false }));
    const inner = this.#model.infer(
      { ...call, inputs: [...call.inputs, ...sequence.states], outputs },
      signal,
    );
    const results = await Promise.race([inner, aborted(signal)]);
    sequence.states = Object.entries(states).map(([input, output]) => {
      const tensor = results.find(({ name }) => name === output) as WireTensor;
      // Kept, also when the next request fails.
      return { ...tensor, name: input, isOwned: false };
    });
    return results.filter(({ name }) => !kept.includes(name));
  }

  #forgetIdle(): void {
    const oldest = this.#nowMs() - this.#options.idleMs;
    for (const [id, { usedMs, running }] of this.#live) {
      if (running > 0 || usedMs > oldest) continue;
      this.#live.delete(id);
      this.#timedOut += 1;
    }
  }
}

/** Nobody waits for the answer: the state stays what it was. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(new EngineError('timed_out', 'The client left.'));
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

function bad(param: string, message: string, hint?: string): EngineError {
  return new EngineError('invalid_value', message, { param, ...(hint === undefined ? {} : { hint }) });
}
