/**
 * One try at one replica. It tells its exchange what came back; whether to try again is decided there.
 * A late callback of an abandoned attempt changes nothing.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';
import type { ReplicaState } from '../routes/replica-state.ts';
import type { LiveRevision } from '../routes/route-table.ts';

export interface AttemptListener {
  onHead(attempt: Attempt, status: number, headers: IncomingHttpHeaders): void;
  onChunk(attempt: Attempt, chunk: Buffer): void;
  onEnd(attempt: Attempt): void;
  onFailure(attempt: Attempt, error: Error): void;
}

export class Attempt implements Dispatcher.DispatchHandler {
  readonly replica: ReplicaState;
  readonly revision: LiveRevision;
  status = 0;
  isOver = false;
  controller: Dispatcher.DispatchController | undefined;
  /** Puts the answer of a server of another dialect into the client's. */
  toAnswer: ((status: number, body: Buffer) => Buffer) | undefined;
  readonly #listener: AttemptListener;
  readonly #tokens: number;
  #isPending = true;

  constructor(listener: AttemptListener, revision: LiveRevision, replica: ReplicaState, tokens: number) {
    this.#listener = listener;
    this.revision = revision;
    this.replica = replica;
    this.#tokens = tokens;
    replica.inFlight++;
    replica.pendingTokens += tokens;
  }

  /** Gives the replica's counters back and cancels what still runs there. Safe to call again. */
  abandon(reason: Error): void {
    if (this.isOver) return;
    this.#close();
    this.controller?.abort(reason);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.isOver) controller.abort(new Error('abandoned'));
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    if (this.isOver || status < 200) return;
    this.status = status;
    this.#listener.onHead(this, status, headers);
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.isOver) return;
    this.#firstByte();
    this.#listener.onChunk(this, chunk);
  }

  onResponseEnd(): void {
    if (this.isOver) return;
    this.#close();
    this.#listener.onEnd(this);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.isOver) return;
    this.#close();
    this.#listener.onFailure(this, error);
  }

  /** The prompt has been computed once something comes back (llm-d's rule): it is no load any more. */
  #firstByte(): void {
    if (!this.#isPending) return;
    this.#isPending = false;
    this.replica.pendingTokens -= this.#tokens;
  }

  #close(): void {
    this.isOver = true;
    this.#firstByte();
    this.replica.inFlight--;
  }
}
