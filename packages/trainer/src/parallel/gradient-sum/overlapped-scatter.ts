/**
 * Under ZeRO: gradients of a unit leave for their owners beside the rank, while the layers before it are still computed.
 * At stage 1 they stay where they lie until the step's end; at 2 and 3 the next layer writes there, so that they leave from
 * one of two copies (DeepSpeed's `overlap_comm` and its second bucket).
 */
import type { ProcessGroup } from '../../group/index.ts';
import type { Arena } from '../../memory/index.ts';
import type { Scatterer, SharedUnit, UnitExchange } from '../unit-exchange.ts';
import { comeThrough } from './come-through.ts';

export interface OverlappedScatterOptions {
  readonly background: Scatterer;
  readonly exchange: UnitExchange;
  /** The main thread's, to notice who stands still. */
  readonly data: ProcessGroup;
  readonly arena: Arena;
  /** Elements of the largest unit that is copied; 0 where none is. */
  readonly copied: number;
}

interface Copy {
  readonly values: Float32Array;
  /** Until what lies there has been added by its owner. */
  leaving: Promise<void>;
}

export class OverlappedScatter {
  readonly #options: OverlappedScatterOptions;
  readonly #copies: readonly Copy[];
  #next = 0;
  #started: Promise<void>[] = [];

  constructor(options: OverlappedScatterOptions) {
    this.#options = options;
    const { arena, copied } = options;
    const copy = (): Copy => ({ values: arena.floats(copied), leaving: Promise.resolve() });
    this.#copies = [copy(), copy()];
  }

  /** The values are not touched before `settle`. */
  start(shared: SharedUnit): void {
    this.#follow(this.#options.exchange.scatterSum(shared, this.#options.background));
  }

  /** Answers when the values may be changed; `take` gets the unit's sums in another place. */
  async startCopy(shared: SharedUnit, take: (values: Float32Array) => void): Promise<void> {
    const copy = this.#copies[this.#next] as Copy;
    this.#next = 1 - this.#next;
    await copy.leaving;
    const { from, to } = shared.unit;
    const values = copy.values.subarray(0, to - from);
    values.set(shared.values.subarray(0, to - from));
    const sum = this.#options.exchange.scatterSum({ ...shared, values }, this.#options.background);
    copy.leaving = sum.then(() => take(values));
    this.#follow(copy.leaving);
  }

  /** All that was started has come. */
  async settle(): Promise<void> {
    const all = this.#started;
    this.#started = [];
    await comeThrough(this.#options.data, Promise.all(all));
  }

  #follow(sum: Promise<void>): void {
    // Whoever settles hears of its failure.
    sum.catch(() => undefined);
    this.#started.push(sum);
  }
}
