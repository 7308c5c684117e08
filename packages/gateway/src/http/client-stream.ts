/** The client's side of a streamed answer: its head, its frames, and what becomes of a client that reads slowly. */
import type { OutgoingHttpHeaders } from 'node:http';
import type { Attempt } from '../relay/attempt.ts';
import { ChunkWriter } from './chunk-writer.ts';
import type { GatewayResponse } from './wire.ts';

export class ClientStream {
  /** The client has seen part of the answer: it can no longer be tried elsewhere. */
  isStreaming = false;
  readonly #response: GatewayResponse;
  readonly #chunks: ChunkWriter;
  readonly #stalledMs: number;
  readonly #now: () => number;
  /** It reads more slowly than the model writes, and the model waits. */
  isPaused = false;
  /** When frames last went to it, or it took those that waited. */
  movedMs = 0;
  #lastTokensMs = 0;
  #stallTimer: NodeJS.Timeout | undefined;

  constructor(response: GatewayResponse, stalledMs: number, now: () => number) {
    this.#response = response;
    this.#chunks = new ChunkWriter(response);
    this.#stalledMs = stalledMs;
    this.#now = now;
  }

  /** Milliseconds that each of these tokens took since the last ones; undefined for the first. */
  noteTokens(count: number): number | undefined {
    const now = this.#now();
    const gapMs = this.#lastTokensMs > 0 ? (now - this.#lastTokensMs) / count : undefined;
    this.#lastTokensMs = now;
    return gapMs;
  }

  write(attempt: Attempt, headers: () => OutgoingHttpHeaders, frames: Buffer): void {
    if (!this.isStreaming) {
      this.isStreaming = true;
      this.#response.writeHead(200, {
        ...headers(),
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache',
      });
    }
    this.movedMs = this.#now();
    if (!this.#chunks.write(frames) && !this.isPaused) this.#pause(attempt);
  }

  close(): void {
    clearTimeout(this.#stallTimer);
  }

  /** The model's socket waits, and not for ever. */
  #pause(attempt: Attempt): void {
    this.isPaused = true;
    attempt.controller?.pause();
    this.#stallTimer = setTimeout(() => {
      this.#response.destroy();
    }, this.#stalledMs);
    this.#chunks.onceDrained(() => {
      clearTimeout(this.#stallTimer);
      this.isPaused = false;
      this.movedMs = this.#now();
      attempt.controller?.resume();
    });
  }
}
