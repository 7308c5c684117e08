/**
 * The answers that an engine is computing: who asked, what came so far, how each ends, and the counts that its
 * statistics report. What computes them is the engine's.
 */
import { createAbortableQueue, type AbortableQueue } from '@gantry/kit';
import { EngineError } from './engine-error.ts';
import type { EngineStats, GenerateEvent, GenerateRequest, TokenLogprob, TokenScore } from './llm-engine.ts';
import { createRecentQuantiles } from './recent-quantiles.ts';

/** What an engine keeps for one answer beside what all of them keep. */
interface Held {
  dispose(): void;
}

export interface LiveAnswer<State extends Held> {
  readonly id: string;
  readonly request: GenerateRequest;
  readonly state: State;
  readonly events: AbortableQueue<GenerateEvent>;
  readonly generated: number[];
  /** Of the prompt's tokens, where the request asks for them. */
  readonly scores: TokenScore[];
  /** When it arrived, then when its last token came. */
  lastAtMs: number;
  isCancelled: boolean;
  error: EngineError | undefined;
}

export interface TokenDetails {
  readonly logprob?: number;
  readonly top?: readonly TokenLogprob[];
}

export interface LiveAnswersOptions<State extends Held> {
  readonly contextTokens: number;
  /** Computing may begin or end. */
  wake(): void;
  /** Prompt tokens of the answer that needed no computing; undefined before it began. */
  cachedTokens(id: string): number | undefined;
  /** The answer has ended: its memory may go. */
  onEnd(answer: LiveAnswer<State>): void;
}

export class LiveAnswers<State extends Held> {
  readonly #options: LiveAnswersOptions<State>;
  readonly #live = new Map<string, LiveAnswer<State>>();
  readonly #timeToFirstTokenMs = createRecentQuantiles();
  readonly #interTokenMs = createRecentQuantiles();
  readonly #counts = { promptTokens: 0, cachedTokens: 0, completionTokens: 0, requests: 0, cancelled: 0 };
  #nextId = 0;

  constructor(options: LiveAnswersOptions<State>) {
    this.#options = options;
  }

  get(id: string): LiveAnswer<State> | undefined {
    return this.#live.get(id);
  }

  /** Before anything is held for it. */
  checkPrompt({ prompt }: GenerateRequest, param = 'prompt'): void {
    const { contextTokens } = this.#options;
    if (prompt.length > 0 && prompt.length < contextTokens) return;
    throw new EngineError(
      'context_length_exceeded',
      `The prompt has ${prompt.length} tokens; the context holds ${contextTokens}, prompt and answer together.`,
      { param },
    );
  }

  /** The events of a new answer; `start` puts it into the queue. A reader that stops early cancels. */
  async *open(
    request: GenerateRequest,
    state: State,
    start: (id: string) => void,
  ): AsyncGenerator<GenerateEvent, void, undefined> {
    const answer: LiveAnswer<State> = {
      id: String(this.#nextId++),
      request,
      state,
      events: createAbortableQueue(),
      generated: [],
      scores: [{ token: request.prompt[0] as number, logprob: null, top: [] }],
      lastAtMs: performance.now(),
      isCancelled: false,
      error: undefined,
    };
    const cancel = (): void => {
      answer.isCancelled = true;
      this.#options.wake();
    };
    if (request.signal?.aborted === true) cancel();
    request.signal?.addEventListener('abort', cancel, { once: true });
    this.#live.set(answer.id, answer);
    this.#counts.requests += 1;
    start(answer.id);
    this.#options.wake();
    try {
      yield* answer.events;
      if (answer.error !== undefined) throw answer.error;
    } finally {
      request.signal?.removeEventListener('abort', cancel);
      if (this.#live.has(answer.id)) cancel();
    }
  }

  /** Lets those go whose reader left. */
  endCancelled(): void {
    for (const answer of this.#live.values()) if (answer.isCancelled) this.end(answer, 'cancelled');
  }

  /** Hands a token out, with how much of the prompt was known if it is the first. */
  tell(answer: LiveAnswer<State>, token: number, details: TokenDetails): void {
    const { generated } = answer;
    const first = generated.length === 0 ? { cachedTokens: this.#countPrompt(answer) } : {};
    const nowMs = performance.now();
    (generated.length === 0 ? this.#timeToFirstTokenMs : this.#interTokenMs).record(nowMs - answer.lastAtMs);
    answer.lastAtMs = nowMs;
    generated.push(token);
    this.#counts.completionTokens += 1;
    answer.events.push({ type: 'token', token, ...first, ...details });
  }

  end(answer: LiveAnswer<State>, reason: 'stop' | 'length' | 'cancelled' | undefined): void {
    if (!this.#live.delete(answer.id)) return;
    const cachedTokens = this.#options.cachedTokens(answer.id) ?? 0;
    if (answer.generated.length === 0) this.#countPrompt(answer);
    this.#options.onEnd(answer);
    answer.state.dispose();
    if (reason === 'cancelled') this.#counts.cancelled += 1;
    if (reason !== undefined) answer.events.push({ type: 'end', reason, cachedTokens });
    answer.events.close();
  }

  fail(id: string, error: EngineError): void {
    const answer = this.#live.get(id);
    if (answer === undefined) return;
    answer.error = error;
    this.end(answer, undefined);
  }

  failAll(error: EngineError): void {
    for (const id of this.#live.keys()) this.fail(id, error);
  }

  stats(): Pick<
    EngineStats,
    | 'promptTokens'
    | 'cachedTokens'
    | 'completionTokens'
    | 'requests'
    | 'cancelled'
    | 'timeToFirstTokenMs'
    | 'interTokenMs'
  > {
    return {
      ...this.#counts,
      timeToFirstTokenMs: this.#timeToFirstTokenMs.summary(),
      interTokenMs: this.#interTokenMs.summary(),
    };
  }

  #countPrompt({ id, request }: LiveAnswer<State>): number {
    const cachedTokens = this.#options.cachedTokens(id) ?? 0;
    this.#counts.promptTokens += request.prompt.length;
    this.#counts.cachedTokens += cachedTokens;
    return cachedTokens;
  }
}
