/**
 * Buckets of gradients are summed by a thread while the layers before them are still computed (Li et al. 2020, §3.2.3:
 * PyTorch DDP). A bucket is whole units in the order in which the backward pass ends them; what nobody announced
 * (embedding, head, final norm) goes last.
 */
import { mkdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { StageLayout, StageUnit } from '@gantry/training/parallel';
import { RankLostError, type ProcessGroup } from '../../group/index.ts';
import type { Arena } from '../../memory/index.ts';
import type { GradientSum } from './gradient-sum.ts';
import type { SumBucket, SumNews, SumOrders } from './sum-thread.ts';

export interface OverlappedSumOptions {
  readonly rank: number;
  readonly worldSize: number;
  readonly members: readonly number[];
  /** Of the ranks' sockets. */
  readonly directory: string;
  readonly arena: Arena;
  readonly layout: StageLayout;
  readonly gradients: Float32Array;
  /** The main thread's, to notice who stands still. */
  readonly data: ProcessGroup;
  /** A bucket is sent when it has this many. */
  readonly bucketBytes: number;
}

/** Room for what arrives; more than that lies outside the memory, and is added more slowly. */
const receivingBytes = 16 * 1024 * 1024;
const timeoutMs = 10 * 60 * 1000;

/** Elements [from, to) of the gradients. */
interface Range {
  readonly from: number;
  readonly to: number;
}

export class OverlappedSum implements GradientSum, AsyncDisposable {
  readonly #options: OverlappedSumOptions;
  readonly #thread: Worker;
  #bucket: Range | undefined;
  #sent: Range[] = [];
  #summed = 0;
  #failure: Error | undefined;
  #waiting: PromiseWithResolvers<void> | undefined;

  private constructor(options: OverlappedSumOptions, thread: Worker) {
    this.#options = options;
    this.#thread = thread;
    thread.on('message', (news: SumNews) => this.#hear(news));
    thread.on('error', (error) => this.#fail(error instanceof Error ? error : new Error(String(error))));
  }

  /** All ranks call it. */
  static async open(options: OverlappedSumOptions): Promise<OverlappedSum> {
    const { rank, worldSize, members, arena } = options;
    const directory = join(options.directory, 'sum');
    await mkdir(directory, { recursive: true });
    const region = arena.share(receivingBytes);
    const orders: SumOrders = { rank, worldSize, members, directory, region, timeoutMs };
    const path = join(import.meta.dirname, `sum-thread${extname(import.meta.filename)}`);
    const thread = new Worker(path, { workerData: orders });
    const sum = new OverlappedSum(options, thread);
    await sum.#until(() => sum.#summed > 0);
    sum.#summed = 0;
    return sum;
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
    for (const range of rest(this.#sent, layout.length)) this.#send(range);
    const all = this.#sent.length;
    // Each tells the next that it has come through: a rank that stands still meanwhile is named by the links.
    const before = data.receive((data.index + data.size - 1) % data.size, new Float32Array(1));
    const own = this.#until(() => this.#summed === all).then(() =>
      data.send((data.index + 1) % data.size, new Float32Array(1)),
    );
    await Promise.all([before, own]);
    this.#sent = [];
    this.#summed = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#failure === undefined) {
      const ended = new Promise((resolve) => this.#thread.once('exit', resolve));
      this.#thread.postMessage('end');
      await ended;
    } else await this.#thread.terminate();
  }

  #send(range: Range | undefined): void {
    if (range === undefined || range.from === range.to) return;
    const { gradients } = this.#options;
    const bucket: SumBucket = { at: gradients.byteOffset + range.from * 4, length: range.to - range.from };
    this.#sent.push(range);
    this.#thread.postMessage(bucket);
  }

  #hear(news: SumNews): void {
    if (news.kind === 'failed') {
      const { rank, message, exitCode } = news;
      this.#fail(rank === undefined ? new Error(message) : new RankLostError(rank, message, exitCode));
      return;
    }
    this.#summed += 1;
    this.#waiting?.resolve();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#waiting?.reject(this.#failure);
  }

  async #until(isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      if (this.#failure !== undefined) throw this.#failure;
      this.#waiting = Promise.withResolvers();
      await this.#waiting.promise;
    }
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
