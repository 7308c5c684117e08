/** The way of an answer from the attempt that is listened to, to the client: frames as they come, or whole at its end. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Attempt } from './attempt.ts';
import { ClientStream } from '../http/client-stream.ts';
import { answerHeaders } from './exchange-headers.ts';
import type { ExchangeInput } from './exchange-input.ts';
import type { GatewayContext } from '../gateway-context.ts';
import type { PayloadTap } from '../payloads/payload-tap.ts';
import type { Problem } from '../http/problem.ts';
import type { RequestBook } from '../metering/request-book.ts';
import { SseFrames } from './sse-frames.ts';
import { WholeAnswer } from './whole-answer.ts';

/** Copying such an answer costs less than a second piece. */
const smallBytes = 16 * 1024;

export interface RelayParts {
  readonly input: ExchangeInput;
  readonly book: RequestBook;
  readonly tap: PayloadTap | undefined;
  /** How an attempt came to its replica. */
  why(attempt: Attempt): string;
}

export class AnswerRelay {
  /** Where the answer is a stream. */
  frames: SseFrames | undefined;
  #whole: WholeAnswer;
  #begunMs: number | undefined;
  readonly #parts: RelayParts;
  readonly #client: ClientStream;
  readonly #maxBytes: number;
  readonly #now: () => number;

  constructor({ options, now }: GatewayContext, parts: RelayParts) {
    this.#parts = parts;
    this.#client = new ClientStream(parts.input.response, options.stalledClientMs, now);
    this.#maxBytes = options.maxResponseBytes;
    this.#now = now;
    this.#whole = new WholeAnswer(this.#maxBytes);
  }

  /** The client has seen part of the answer: it can no longer be tried elsewhere. */
  get isStreaming(): boolean {
    return this.#client.isStreaming;
  }

  /** Since when nothing whole has come of an answer that has begun; undefined while it is the client who is slow. */
  get progress(): { readonly silentSinceMs: number | undefined; readonly isStream: boolean } {
    const isStream = this.frames !== undefined;
    if (this.#begunMs === undefined || this.#client.isPaused) return { silentSinceMs: undefined, isStream };
    return { silentSinceMs: Math.max(this.#begunMs, this.#client.movedMs), isStream };
  }

  close(): void {
    this.#client.close();
  }

  begin(status: number, headers: IncomingHttpHeaders): void {
    this.#begunMs = this.#now();
    this.frames = undefined;
    this.#parts.book.sketch?.begin();
    this.#whole = new WholeAnswer(this.#maxBytes);
    this.#whole.head = headers;
    if (status === 200 && headers['content-type']?.startsWith('text/event-stream') === true)
      this.frames = new SseFrames({ stripUsage: this.#parts.input.request.stripUsage });
  }

  /** Says what is wrong with what came, if anything. */
  push(attempt: Attempt, chunk: Buffer): Problem | undefined {
    this.#parts.book.noteByte();
    if (this.frames !== undefined) return this.#relay(attempt, this.frames, chunk);
    return this.#whole.push(chunk)
      ? undefined
      : { code: 'upstream_failed', detail: 'The answer is larger than this gateway holds.' };
  }

  #relay(attempt: Attempt, frames: SseFrames, chunk: Buffer): Problem | undefined {
    const { book, tap } = this.#parts;
    tap?.hear(chunk, true);
    book.sketch?.hear(chunk);
    const before = frames.tokenFrames;
    const out = frames.push(chunk);
    const tokens = frames.tokenFrames - before;
    if (tokens > 0) {
      const gapMs = this.#client.noteTokens(tokens);
      if (gapMs !== undefined) book.noteGap(attempt, gapMs);
    }
    if (frames.isOverflown) return { code: 'stream_interrupted' };
    if (out.length > 0) this.#client.write(attempt, () => this.#headers(attempt), out);
    return undefined;
  }

  /** The whole answer in the client's dialect. */
  body(attempt: Attempt): Buffer {
    const said = this.#whole.body();
    const body = attempt.toAnswer?.(attempt.status, said) ?? said;
    this.#parts.tap?.hear(body, false);
    this.#parts.book.sketch?.hearWhole(body, attempt.toAnswer === undefined ? this.#whole.head : {});
    return body;
  }

  write(attempt: Attempt, body: Buffer): void {
    const { response } = this.#parts.input;
    response.writeHead(attempt.status, {
      ...this.#headers(attempt),
      ...this.#whole.headers(),
      ...(attempt.toAnswer === undefined ? {} : { 'content-type': 'application/json' }),
      'content-length': body.length,
    });
    // Node sends a string with the head in one piece, and a buffer behind it in a second.
    if (body.length <= smallBytes) response.end(body.toString('latin1'), 'latin1');
    else response.end(body);
  }

  #headers(attempt: Attempt) {
    return answerHeaders(this.#parts.input, attempt, this.#parts.why(attempt));
  }
}
