/** A group whose collectives run beside the rank, in a thread of its own, on values that lie in the rank's arena. */
import { mkdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Arena } from '../memory/index.ts';
import type { BackgroundCall, BackgroundNews, BackgroundOrders } from './background-thread.ts';
import { RankLostError } from './rank-lost-error.ts';
import type { Part } from './wire.ts';

export interface BackgroundGroupOptions {
  readonly rank: number;
  readonly worldSize: number;
  readonly members: readonly number[];
  /** Of the ranks' sockets; the threads have theirs in a folder below. */
  readonly directory: string;
  /** Of that folder: a rank may have several such groups. */
  readonly name: string;
  readonly arena: Arena;
}

/** Room for what arrives; more than that lies outside the memory, and is added more slowly. */
const receivingBytes = 16 * 1024 * 1024;
const timeoutMs = 10 * 60 * 1000;

export class BackgroundGroup implements AsyncDisposable {
  /** Elements sent by the calls that are done. */
  sentElements = 0;
  readonly #arena: Arena;
  readonly #thread: Worker;
  readonly #waiting: PromiseWithResolvers<void>[] = [];
  #failure: Error | undefined;

  private constructor(arena: Arena, thread: Worker) {
    this.#arena = arena;
    this.#thread = thread;
    thread.on('message', (news: BackgroundNews) => this.#hear(news));
    thread.on('error', (error) => this.#fail(error instanceof Error ? error : new Error(String(error))));
  }

  /** All ranks of the world call it. */
  static async open(options: BackgroundGroupOptions): Promise<BackgroundGroup> {
    const { rank, worldSize, members, arena } = options;
    const directory = join(options.directory, options.name);
    await mkdir(directory, { recursive: true });
    const region = arena.share(receivingBytes);
    const orders: BackgroundOrders = { rank, worldSize, members, directory, region, timeoutMs };
    const path = join(import.meta.dirname, `background-thread${extname(import.meta.filename)}`);
    const group = new BackgroundGroup(arena, new Worker(path, { workerData: orders }));
    await group.#next();
    return group;
  }

  /** As the methods of a process group; what they work on must not be touched until they are done. */
  allReduceSum(values: Float32Array): Promise<void> {
    return this.#call('all-reduce', values, []);
  }

  reduceScatterSum(values: Float32Array, parts: readonly Part[]): Promise<void> {
    return this.#call('reduce-scatter', values, parts);
  }

  allGather(values: Float32Array, parts: readonly Part[]): Promise<void> {
    return this.#call('all-gather', values, parts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#failure === undefined) {
      const ended = new Promise((resolve) => this.#thread.once('exit', resolve));
      this.#thread.postMessage('end');
      await ended;
    } else await this.#thread.terminate();
  }

  #call(kind: BackgroundCall['kind'], values: Float32Array, parts: readonly Part[]): Promise<void> {
    const at = this.#arena.addressOf(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    if (at === undefined) throw new RangeError('a collective beside the rank needs values in its arena');
    const call: BackgroundCall = { kind, at, length: values.length, parts };
    this.#thread.postMessage(call);
    return this.#next();
  }

  #next(): Promise<void> {
    const next = Promise.withResolvers<void>();
    if (this.#failure !== undefined) next.reject(this.#failure);
    else this.#waiting.push(next);
    // Whoever waits for it hears of its failure, perhaps later.
    next.promise.catch(() => undefined);
    return next.promise;
  }

  #hear(news: BackgroundNews): void {
    if (news.kind === 'failed') {
      const { rank, message, exitCode } = news;
      this.#fail(rank === undefined ? new Error(message) : new RankLostError(rank, message, exitCode));
      return;
    }
    this.sentElements = news.sentElements;
    this.#waiting.shift()?.resolve();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}
