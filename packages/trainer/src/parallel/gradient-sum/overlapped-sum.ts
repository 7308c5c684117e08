/**
 * Buckets of gradients are summed beside the rank while the layers before them are still computed (Li et al. 2020,
 * §3.2.3: PyTorch DDP). A bucket is whole units in the order in which the backward pass ends them; what nobody
 * announced (embedding, head, final norm) goes last.
 */
import type { StageLayout, StageUnit } from '@gantry/training/parallel';
import type { BackgroundGroup, ProcessGroup } from '../../group/index.ts';
import type { Arena } from '../../memory/index.ts';
import { comeThrough } from './come-through.ts';
import type { GradientSum } from './gradient-sum.ts';

export interface OverlappedSumOptions {
  readonly background: BackgroundGroup;
  readonly layout: StageLayout;
  /** In the arena of the rank. */
  readonly gradients: Float32Array;
  /** The main thread's, to notice who stands still. */
  readonly data: ProcessGroup;
  /** A bucket is sent when it has this many. */
  readonly bucketBytes: number;
  readonly arena: Arena;
  /** The length of this rank's own gradients is asked for. */
  readonly isMeasured: boolean;
}

/** Elements [from, to) of the gradients. */
interface Range {
  readonly from: number;
  readonly to: number;
}

export class OverlappedSum implements GradientSum {
  readonly #options: OverlappedSumOptions;
  #bucket: Range | undefined;
  #sent: Range[] = [];
  #sums: Promise<void>[] = [];
  #squaredNorm = 0;
  ownSquaredNorm: number | undefined;

  constructor(options: OverlappedSumOptions) {
    this.#options = options;
  }

  /** The unit lies before those that were announced: it joins their bucket. */
  ready({ from, to }: StageUnit): void {
    const joined = this.#bucket?.from === to ? { from, to: this.#bucket.to } : undefined;
    if (joined === undefined) this.#send(this.#bucket);
    this.#bucket = joined ?? { from, to };
    if ((this.#bucket.to - this.#bucket.from) * 4 < this.#options.bucketBytes) return;
    this.#send(this.#bucket);
    this.#bucket = undefined;
  }

  async sum(): Promise<void> {
    const { data, layout } = this.#options;
    this.#send(this.#bucket);
    this.#bucket = undefined;
    for (const range of rest(this.#sent, layout.commonLength)) this.#send(range);
    await comeThrough(data, Promise.all(this.#sums));
    this.ownSquaredNorm = this.#squaredNorm;
    this.#squaredNorm = 0;
    this.#sent = [];
    this.#sums = [];
  }

  #send(range: Range | undefined): void {
    if (range === undefined || range.from === range.to) return;
    const { gradients, background, arena } = this.#options;
    this.#sent.push(range);
    const values = gradients.subarray(range.from, range.to);
    if (this.#options.isMeasured) this.#squaredNorm += arena.squaredNorm(values);
    this.#sums.push(background.allReduceSum(values));
  }
}

/** What of [0, length) the ranges leave. */
function rest(ranges: readonly Range[], length: number): Range[] {
  const left: Range[] = [];
  let at = 0;
  for (const { from, to } of ranges.toSorted((one, other) => one.from - other.from)) {
    if (from > at) left.push({ from: at, to: from });
    at = to;
  }
  if (at < length) left.push({ from: at, to: length });
  return left;
}
