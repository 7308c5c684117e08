/**
 * Shards that arrive while training goes on. Rank 0 says for all ranks which are read next and which are not read again
 * for now; whoever fetches them (the platform, from S3 through the node's cache) brings and takes the files. A step that
 * has ended was read by every rank, so what lies behind it can go.
 */
import { untilFile, type PreparedDataset } from '../data/index.ts';
import type { ReportWriter } from './report-writer.ts';
import type { TrainingOrder } from './training-data.ts';

export interface ShardStreamOptions {
  readonly dataset: PreparedDataset;
  readonly order: TrainingOrder;
  readonly reports: ReportWriter;
  readonly windowShards: number;
}

/** A server that starts anew has not heard what was asked of the last one. */
const askAgainMs = 10_000;

export class ShardStream implements Disposable {
  readonly #options: ShardStreamOptions;
  /** Sequences ahead that are asked for: about a window. */
  readonly #ahead: number;
  readonly #again: NodeJS.Timeout;
  #wanted: readonly string[] = [];

  constructor(options: ShardStreamOptions) {
    const { dataset, order, windowShards } = options;
    this.#options = options;
    const windows = Math.max(1, Math.ceil(dataset.train.shards.length / windowShards));
    this.#ahead = Math.ceil(order.sequencesPerEpoch / windows);
    this.#again = setInterval(() => void this.#ask([]), askAgainMs).unref();
  }

  /** Held-out text stays for the whole of the run; there is no training before it is there. */
  async open(position: number, signal?: AbortSignal): Promise<void> {
    await this.at(position);
    for (const { path } of this.#options.dataset.validation.shards) await untilFile(path, signal);
  }

  /** Every rank has read what lies before `position`. */
  async at(position: number): Promise<void> {
    const { dataset, order } = this.#options;
    const needed = order.shardsBetween(position, position + this.#ahead + 1);
    // Equal tokens are one file, so paths and not places are what is asked for.
    const wanted = [
      ...new Set([
        ...dataset.validation.shards.map(({ path }) => path),
        ...needed.map((shard) => dataset.train.shards[shard]?.path ?? ''),
      ]),
    ];
    const isKnown =
      wanted.length === this.#wanted.length && wanted.every((path) => this.#wanted.includes(path));
    if (isKnown) return;
    const done = this.#wanted.filter((path) => !wanted.includes(path));
    this.#wanted = wanted;
    await this.#ask(done);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#again);
  }

  #ask(done: readonly string[]): Promise<void> {
    return this.#options.reports.write({ type: 'files', want: [...this.#wanted], done: [...done] });
  }
}
