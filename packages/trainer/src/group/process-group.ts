/**
 * Ranks in separate processes, joined to a ring by Unix sockets: each listens under its own number and
 * connects to the next. A sum is a reduce-scatter and an all-gather around the ring (2(n−1)/n of the bytes
 * per rank); every element is added up by one rank and handed on, so all ranks hold the same bits.
 */
import { rm } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Link, type AbortNotice } from './link.ts';
import { RankLostError } from './rank-lost-error.ts';
import { ringChunk } from './ring-chunks.ts';

export interface GroupOptions {
  readonly rank: number;
  readonly worldSize: number;
  /** Shared by the ranks of one attempt; short, for socket paths end at 107 bytes. */
  readonly directory: string;
  /** How long a peer may take to appear. */
  readonly joinTimeoutMs?: number;
  /** How long a peer may stay silent inside a collective. */
  readonly timeoutMs?: number;
}

export interface ProcessGroup extends AsyncDisposable {
  readonly rank: number;
  readonly worldSize: number;
  /** Adds up `values` over all ranks, in place. All ranks call it with the same length, in the same order. */
  allReduceSum(values: Float32Array, timeoutMs?: number): Promise<void>;
  /** Nobody passes before all have come. */
  barrier(timeoutMs?: number): Promise<void>;
  /** Tells the others why this rank leaves, so that they name it and exit alike. */
  abort(exitCode: number, message: string): Promise<void>;
}

const socketPathLimitBytes = 107;

export async function joinGroup(options: GroupOptions): Promise<ProcessGroup> {
  const { rank, worldSize } = options;
  if (worldSize === 1) return loneGroup;
  const pathOf = (of: number): string => join(options.directory, `rank-${of}.sock`);
  if (Buffer.byteLength(pathOf(worldSize - 1)) > socketPathLimitBytes) {
    throw new Error(`the rendezvous directory ${options.directory} is too long for a Unix socket`);
  }
  const joinTimeoutMs = options.joinTimeoutMs ?? 60_000;
  const next = (rank + 1) % worldSize;
  const previous = (rank + worldSize - 1) % worldSize;
  const arrival = Promise.withResolvers<Socket>();
  await rm(pathOf(rank), { force: true });
  const server = createServer(arrival.resolve);
  await listening(server, pathOf(rank));
  const deadline = Date.now() + joinTimeoutMs;
  try {
    const [outgoing, incoming] = await Promise.all([
      connectTo(pathOf(next), deadline, next),
      within(arrival.promise, deadline, previous),
    ]);
    return new Ring(options, outgoing, incoming, next, previous);
  } finally {
    server.close();
    await rm(pathOf(rank), { force: true });
  }
}

const loneGroup: ProcessGroup = {
  rank: 0,
  worldSize: 1,
  allReduceSum: () => Promise.resolve(),
  barrier: () => Promise.resolve(),
  abort: () => Promise.resolve(),
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

class Ring implements ProcessGroup {
  readonly rank: number;
  readonly worldSize: number;
  readonly #timeoutMs: number;
  readonly #toNext: Link;
  readonly #fromPrevious: Link;
  #sequence = 0;

  constructor(options: GroupOptions, outgoing: Socket, incoming: Socket, next: number, previous: number) {
    this.rank = options.rank;
    this.worldSize = options.worldSize;
    this.#timeoutMs = options.timeoutMs ?? 60_000;
    // What one link learns, the other passes on: the far side of the ring hears the true cause.
    const pass = (link: () => Link) => (error: RankLostError) => {
      const notice: AbortNotice = { rank: error.rank, exitCode: error.exitCode, message: error.message };
      void sendAbort(link(), notice).then(() => link().fail(error));
    };
    this.#toNext = new Link(
      outgoing,
      next,
      pass(() => this.#fromPrevious),
    );
    this.#fromPrevious = new Link(
      incoming,
      previous,
      pass(() => this.#toNext),
    );
  }

  async allReduceSum(values: Float32Array, timeoutMs = this.#timeoutMs): Promise<void> {
    const { rank, worldSize } = this;
    const steps = worldSize - 1;
    for (let step = 0; step < steps * 2; step += 1) {
      const isReducing = step < steps;
      const shift = isReducing ? -step : 1 - (step - steps);
      const out = ringChunk(values.length, rank + shift, worldSize);
      const into = ringChunk(values.length, rank + shift - 1, worldSize);
      const received = await this.#exchange(values.subarray(out.from, out.to), step, timeoutMs);
      const part = new Float32Array(received.buffer, received.byteOffset, received.byteLength / 4);
      if (part.length !== into.to - into.from) {
        throw new RankLostError(
          this.#fromPrevious.peer,
          `Rank ${this.#fromPrevious.peer} sums a buffer of another length.`,
          70,
        );
      }
      if (isReducing) {
        for (let index = 0; index < part.length; index += 1) {
          values[into.from + index] = (values[into.from + index] as number) + (part[index] as number);
        }
      } else {
        values.set(part, into.from);
      }
    }
  }

  async barrier(timeoutMs?: number): Promise<void> {
    await this.allReduceSum(new Float32Array(this.worldSize), timeoutMs);
  }

  async abort(exitCode: number, message: string): Promise<void> {
    const notice: AbortNotice = { rank: this.rank, exitCode, message };
    await Promise.all([sendAbort(this.#toNext, notice), sendAbort(this.#fromPrevious, notice)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#toNext.close(), this.#fromPrevious.close()]);
  }

  async #exchange(part: Float32Array, step: number, timeoutMs: number): Promise<Uint8Array> {
    const sequence = this.#sequence;
    this.#sequence += 1;
    const bytes = new Uint8Array(part.buffer, part.byteOffset, part.byteLength);
    const sent = this.#toNext.send('data', sequence, bytes);
    // The link reports the loss too; without this a rejection between the two awaits has no owner.
    sent.catch(() => undefined);
    const { header, payload } = await this.#fromPrevious.receive(timeoutMs, () =>
      this.#silent(step, timeoutMs),
    );
    if (header.kind !== 'data' || header.sequence !== sequence) {
      throw new RankLostError(
        this.#fromPrevious.peer,
        `Rank ${this.#fromPrevious.peer} is at message ${header.sequence}, this rank at ${sequence}.`,
        70,
      );
    }
    await sent;
    return payload;
  }

  /** What is missing at step s has come s hops already: the rank that holds it up is s + 1 back. */
  #silent(step: number, timeoutMs: number): RankLostError {
    const { rank, worldSize } = this;
    const missing = (((rank - 1 - (step % (worldSize - 1))) % worldSize) + worldSize) % worldSize;
    return new RankLostError(missing, `Rank ${missing} has been silent for ${timeoutMs / 1000} s.`);
  }
}

async function sendAbort(link: Link, notice: AbortNotice): Promise<void> {
  try {
    await link.send('abort', 0, new TextEncoder().encode(JSON.stringify(notice)));
  } catch {
    // The other side is gone too: nobody is left to tell.
  }
}

async function listening(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
}

/** The next rank may start later than this one: try until the deadline. */
async function connectTo(path: string, deadline: number, rank: number): Promise<Socket> {
  for (;;) {
    const socket = connect(path);
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('connect', resolve);
        socket.once('error', reject);
      });
      socket.removeAllListeners();
      return socket;
    } catch {
      socket.destroy();
      if (Date.now() > deadline) throw new RankLostError(rank, `Rank ${rank} never came to the rendezvous.`);
      await sleep(20);
    }
  }
}

async function within<T>(promise: Promise<T>, deadline: number, rank: number): Promise<T> {
  const timer = Promise.withResolvers<never>();
  const handle = setTimeout(
    () => timer.reject(new RankLostError(rank, `Rank ${rank} never came to the rendezvous.`)),
    Math.max(0, deadline - Date.now()),
  );
  try {
    return await Promise.race([promise, timer.promise]);
  } finally {
    clearTimeout(handle);
  }
}
