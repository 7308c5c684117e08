/**
 * What comes out of a pass of the paged decoder: rows of logits become log probabilities of prompts and next tokens,
 * guesses are compared with what is sampled, and answers end.
 */
import type { Random } from '@gantry/kit';
import type { DraftLength, StepPlan, StepScheduler } from '@gantry/serving/steps';
import type { LiveAnswer, LiveAnswers } from '../live-answers.ts';
import type { AnswerGrammar } from './answer-grammars.ts';
import { logprobsOf, sampleToken } from './sample-token.ts';

export interface AnswerState {
  readonly random: Random;
  /** What it is held to. */
  readonly grammar: AnswerGrammar | undefined;
  readonly draftLength: DraftLength;
  dispose(): void;
}

export interface AnswerRowsParts {
  readonly answers: LiveAnswers<AnswerState>;
  readonly scheduler: StepScheduler;
  /** Rows beyond the tokenizer's last token are padding of the weights. */
  readonly vocabularySize: number;
  readonly endTokens: ReadonlySet<number>;
}

export class AnswerRows {
  readonly #parts: AnswerRowsParts;
  readonly counts = { draftedTokens: 0, acceptedTokens: 0 };

  constructor(parts: AnswerRowsParts) {
    this.#parts = parts;
  }

  /** The plan was computed: of each entry the rows that it wanted. */
  take(plan: StepPlan, logits: readonly Float32Array[]): void {
    const { answers, scheduler } = this.#parts;
    for (const [at, entry] of plan.entries.entries()) {
      const { id, firstPosition, isScored, isSampled, tokens, drafted } = entry;
      const answer = answers.get(id);
      const rows = logits[at] as Float32Array;
      if (answer !== undefined && !answer.isCancelled && rows.length > 0) {
        const vocabulary = rows.length / (isScored ? tokens.length : 1 + drafted);
        if (isScored) this.#score(answer, firstPosition + 1, rows, vocabulary);
        if (isSampled) this.#sampleAll(answer, rows, vocabulary, tokens.slice(tokens.length - drafted));
      }
      scheduler.settle(id);
    }
  }

  /** After the last token, then after each guess for as long as the guesses are what was sampled. */
  #sampleAll(
    answer: LiveAnswer<AnswerState>,
    rows: Float32Array,
    vocabulary: number,
    guesses: readonly number[],
  ): void {
    let accepted = 0;
    for (let at = 0; at <= guesses.length; at++) {
      const from = rows.length - (guesses.length + 1 - at) * vocabulary;
      const token = this.#sample(answer, rows.subarray(from, from + vocabulary));
      if (token === undefined || token !== guesses[at]) break;
      this.#parts.scheduler.confirm(answer.id);
      accepted += 1;
    }
    answer.state.draftLength.observe(guesses.length, accepted);
    this.counts.draftedTokens += guesses.length;
    this.counts.acceptedTokens += accepted;
  }

  /** What the model thought of the prompt's tokens from `position` on. */
  #score(answer: LiveAnswer<AnswerState>, position: number, rows: Float32Array, vocabulary: number): void {
    const { request, scores } = answer;
    for (let row = 0; row * vocabulary < rows.length; row++) {
      const token = request.prompt[position + row];
      // Told already, before a preemption.
      if (token === undefined || scores.length > position + row) continue;
      const logits = rows.subarray(row * vocabulary, (row + 1) * vocabulary);
      scores.push({ token, ...logprobsOf(logits, token, request.topLogprobs ?? 0) });
    }
  }

  /** The next token, handed out; undefined when the answer has ended with it or before it. */
  #sample(answer: LiveAnswer<AnswerState>, row: Float32Array): number | undefined {
    const { request, generated, state } = answer;
    const logits = row.subarray(0, this.#parts.vocabularySize);
    if (request.hasPromptLogprobs === true && generated.length === 0)
      answer.events.push({ type: 'prompt', scores: answer.scores });
    if (request.maxTokens === 0) {
      this.#parts.answers.end(answer, 'length');
      return undefined;
    }
    const { grammar, random } = state;
    const token = sampleToken(
      logits,
      request.sampling,
      generated,
      random,
      grammar && ((one) => grammar.allows(one)),
    );
    if (this.#parts.endTokens.has(token) && request.ignoreEnd !== true) {
      this.#parts.answers.end(answer, 'stop');
      return undefined;
    }
    grammar?.accept(token);
    const { topLogprobs } = request;
    this.#parts.answers.tell(
      answer,
      token,
      topLogprobs === undefined ? {} : logprobsOf(logits, token, topLogprobs),
    );
    const hasRoom = this.#parts.scheduler.append(answer.id, token);
    if (hasRoom && generated.length < request.maxTokens) return token;
    this.#parts.answers.end(answer, 'length');
    return undefined;
  }
}
