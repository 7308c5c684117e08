/**
 * A plan of the step scheduler, computed: the moves of K/V memory first, then one forward pass for the entries of each
 * adapter, its tokens sampled before the next pass overwrites the logits.
 */
import type { DraftLength, StepEntry, StepPlan, StepScheduler } from '@gantry/serving/steps';
import type { LlamaModel, Token } from 'node-llama-cpp';
import { EngineError } from '../engine-error.ts';
import type { LiveAnswer, LiveAnswers } from '../live-answers.ts';
import type { Adapters } from './adapters.ts';
import type { LlamaLanes } from './llama-lanes.ts';
import { toLogprobs } from './logprobs.ts';
import type { NativeContext, NativeSampler } from './native.ts';
import { samplerConfig } from './sampler-config.ts';

export interface LlamaAnswerState {
  readonly sampler: NativeSampler;
  /** Where log probabilities are asked for: of its own, because answers are sampled side by side. */
  readonly probe: NativeSampler | undefined;
  readonly draftLength: DraftLength;
  dispose(): void;
}
type Answer = LiveAnswer<LlamaAnswerState>;

export interface LlamaPassesParts {
  readonly model: LlamaModel;
  readonly context: NativeContext;
  readonly adapters: Adapters;
  /** Greedy, with probabilities: reads the model's own distribution of prompts, one token after the other. */
  readonly probe: NativeSampler;
  readonly scheduler: StepScheduler;
  readonly lanes: LlamaLanes;
  readonly answers: LiveAnswers<LlamaAnswerState>;
}

/** Logits that are ready to be sampled: after the last token, and after each guess that follows it. */
interface Due {
  readonly answer: Answer;
  readonly guesses: readonly number[];
  readonly logits: Uint32Array;
}

/** Logits of a prompt token whose probability is wanted: those of the token before `position`. */
interface Scored {
  readonly answer: Answer;
  readonly position: number;
  readonly logitIndex: number;
}

export class LlamaPasses {
  readonly #parts: LlamaPassesParts;
  readonly counts = { steps: 0, draftedTokens: 0, acceptedTokens: 0 };

  constructor(parts: LlamaPassesParts) {
    this.#parts = parts;
  }

  async compute(plan: StepPlan): Promise<void> {
    const { adapters, answers, context, lanes, scheduler } = this.#parts;
    const lost = await lanes.move(plan);
    // llama.cpp splits a pass where ids do not go up.
    const entries = plan.entries
      .filter(({ id }) => !lost.has(id))
      .sort((one, other) => lanes.laneOf(one) - lanes.laneOf(other));
    if (entries.length === 0) return;
    const byAdapter = Map.groupBy(entries, ({ id }) => answers.get(id)?.request.adapter);
    for (const [adapter, entries] of byAdapter) {
      adapters.use(adapter);
      const { due, scored } = this.#addAll(entries);
      const startedMs = performance.now();
      await context.decodeBatch();
      scheduler.observe(entries, performance.now() - startedMs);
      scheduler.commit({ moves: [], entries });
      for (const one of scored) await this.#score(one);
      // llama.cpp puts a pass's logits in order at the first look at them: nobody else may look meanwhile.
      const [first, ...others] = due;
      if (first !== undefined) await this.#sampleAll(first);
      await Promise.all(others.map(async (one) => this.#sampleAll(one)));
    }
    this.counts.steps += 1;
  }

  fail(plan: StepPlan, cause: unknown): void {
    const { answers, lanes, scheduler } = this.#parts;
    for (const { id } of plan.entries)
      answers.fail(
        id,
        new EngineError('engine_failed', 'The model failed to compute this request.', { cause }),
      );
    lanes.clear();
    scheduler.restart();
  }

  #addAll(entries: readonly StepEntry[]): { readonly due: Due[]; readonly scored: Scored[] } {
    const { context, answers, lanes } = this.#parts;
    context.initBatch(entries.reduce((sum, { tokens }) => sum + tokens.length, 0));
    const due: Due[] = [];
    const scored: Scored[] = [];
    for (const entry of entries) {
      const { id, firstPosition, tokens, isSampled, isScored, drafted } = entry;
      const first = isSampled ? tokens.length - 1 - drafted : tokens.length;
      const wanted = Uint32Array.from(tokens.keys()).slice(isScored ? 0 : first);
      const logits = context.addToBatch(lanes.write(entry), firstPosition, Uint32Array.from(tokens), wanted);
      const answer = answers.get(id);
      if (answer === undefined) continue;
      if (isScored) {
        for (const [index, logitIndex] of logits.entries())
          scored.push({ answer, position: firstPosition + index + 1, logitIndex });
      }
      if (isSampled) {
        const guesses = tokens.slice(tokens.length - drafted);
        due.push({ answer, guesses, logits: logits.slice(logits.length - 1 - drafted) });
      }
    }
    return { due, scored };
  }

  /**
   * Samples from the model after the last token, then after each guess for as long as the guesses are what was
   * sampled: the answer is token for token what it would have been without them, whatever the sampling.
   */
  async #sampleAll({ answer, guesses, logits }: Due): Promise<void> {
    const { scheduler } = this.#parts;
    let accepted = 0;
    for (const [index, logitIndex] of logits.entries()) {
      const token = await this.#sample(answer, logitIndex);
      if (token === undefined || token !== guesses[index]) break;
      scheduler.confirm(answer.id);
      accepted += 1;
    }
    if (guesses.length === 0) return;
    answer.state.draftLength.observe(guesses.length, accepted);
    this.counts.draftedTokens += guesses.length;
    this.counts.acceptedTokens += accepted;
    scheduler.settle(answer.id);
  }

  /** What the model thought of the prompt token at `position`. */
  async #score({ answer, position, logitIndex }: Scored): Promise<void> {
    const { request } = answer;
    const token = request.prompt[position];
    // Told already, before a preemption.
    if (token === undefined || answer.isCancelled || answer.scores.length > position) return;
    const probabilities = await this.#probabilities(logitIndex, this.#parts.probe);
    const { logprob, top } = toLogprobs(token, probabilities, request.topLogprobs ?? 0);
    answer.scores.push({ token, logprob: logprob ?? null, top: top ?? [] });
  }

  async #probabilities(logitIndex: number, probe: NativeSampler): Promise<readonly number[] | undefined> {
    return (await this.#parts.context.sampleToken(logitIndex, probe, true))[1];
  }

  /** The next token, handed out; undefined when the sequence has ended with it or before it. */
  async #sample(answer: Answer, logitIndex: number): Promise<number | undefined> {
    const { request, generated, state } = answer;
    const { answers, context, model, scheduler } = this.#parts;
    if (answer.isCancelled) return undefined;
    if (request.hasPromptLogprobs === true && generated.length === 0)
      answer.events.push({ type: 'prompt', scores: answer.scores });
    if (request.maxTokens === 0) {
      answers.end(answer, 'length');
      return undefined;
    }
    const probabilities =
      state.probe === undefined ? undefined : await this.#probabilities(logitIndex, state.probe);
    const { presencePenalty, frequencyPenalty } = request.sampling;
    if (presencePenalty !== undefined || frequencyPenalty !== undefined)
      state.sampler.applyConfig(samplerConfig(request.sampling, generated));
    const token = await context.sampleToken(logitIndex, state.sampler);
    if (token < 0 || (model.isEogToken(token as Token) && request.ignoreEnd !== true)) {
      answers.end(answer, 'stop');
      return undefined;
    }
    answers.tell(answer, token, toLogprobs(token, probabilities, request.topLogprobs));
    const hasRoom = scheduler.append(answer.id, token);
    if (hasRoom && generated.length < request.maxTokens) return token;
    answers.end(answer, 'length');
    return undefined;
  }
}
