/**
 * A plan of the step scheduler, computed: the K/V commands first, then one forward pass for the entries of each
 * adapter, its tokens sampled before the next pass overwrites the logits.
 */
import type { DraftLength, KvCommand, StepEntry, StepPlan, StepScheduler } from '@gantry/serving/steps';
import type { LlamaModel, Token } from 'node-llama-cpp';
import { EngineError } from '../engine-error.ts';
import type { LiveAnswer, LiveAnswers } from '../live-answers.ts';
import type { Adapters } from './adapters.ts';
import type { DraftWanted, Speculation } from './drafter.ts';
import { toLogprobs } from './logprobs.ts';
import type { NativeContext, NativeSampler } from './native.ts';
import type { ParkedFiles } from './parked-files.ts';
import { samplerConfig } from './sampler-config.ts';

export interface LlamaAnswerState {
  readonly sampler: NativeSampler;
  readonly draftLength: DraftLength;
  dispose(): void;
}
type Answer = LiveAnswer<LlamaAnswerState>;

export interface LlamaPassesParts {
  readonly model: LlamaModel;
  readonly context: NativeContext;
  readonly adapters: Adapters;
  /** Greedy, with probabilities: reads the model's own distribution before a request's sampler changes it. */
  readonly probe: NativeSampler;
  readonly scheduler: StepScheduler;
  readonly speculation: Speculation | undefined;
  readonly parking: ParkedFiles | undefined;
  readonly onLog?: ((line: string) => void) | undefined;
  readonly answers: LiveAnswers<LlamaAnswerState>;
}

/** Logits that are ready to be sampled: after the last token, and after each guess that follows it. */
interface Due {
  readonly answer: Answer;
  readonly slot: number;
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

  /** Asks the drafter what may come next; the next plan computes it along. */
  async guess(): Promise<void> {
    const { speculation, scheduler, answers } = this.#parts;
    if (speculation === undefined) return;
    const wanted: DraftWanted[] = [];
    for (const { id, tokens, room } of scheduler.generating()) {
      const answer = answers.get(id);
      if (answer === undefined) continue;
      const left = answer.request.maxTokens - answer.generated.length - 1;
      const most = Math.min(room, left, answer.state.draftLength.length);
      if (most > 0) wanted.push({ id, tokens, most });
    }
    if (wanted.length === 0) return;
    for (const [id, draft] of await speculation.drafter.propose(wanted)) scheduler.propose(id, draft);
  }

  async compute(plan: StepPlan): Promise<void> {
    const { adapters, answers, context, scheduler } = this.#parts;
    const lost = new Set<string>();
    for (const command of plan.commands) {
      const id = await this.#command(command);
      if (id !== undefined) lost.add(id);
    }
    const entries = plan.entries.filter(({ id }) => !lost.has(id));
    if (entries.length === 0) return;
    const byAdapter = Map.groupBy(entries, ({ id }) => answers.get(id)?.request.adapter);
    for (const [adapter, entries] of byAdapter) {
      adapters.use(adapter);
      const { due, scored } = this.#addAll(entries);
      await context.decodeBatch();
      scheduler.commit({ commands: [], entries });
      for (const one of scored) await this.#score(one);
      await Promise.all(due.map(async (one) => this.#sampleAll(one)));
    }
    this.counts.steps += 1;
  }

  /** Whose beginning could not be had, if it is so. */
  async #command(command: KvCommand): Promise<string | undefined> {
    const { context, scheduler, parking, onLog } = this.#parts;
    switch (command.kind) {
      case 'copy':
        await context.copySequenceStateFromOtherSequence(command.to, command.from);
        context.removeTokenCellsFromSequence(command.to, command.tokens, -1);
        return undefined;
      case 'truncate':
        context.removeTokenCellsFromSequence(command.slot, command.tokens, -1);
        return undefined;
      case 'park':
        try {
          await parking?.park(command.slot, command.place, command.tokens, command.dropped);
        } catch (cause) {
          scheduler.unpark(command.place);
          onLog?.(`a prefix was not parked: ${String(cause)}`);
        }
        return undefined;
      case 'restore':
        try {
          await parking?.restore(command.place, command.slot, command.tokens);
          return undefined;
        } catch (cause) {
          onLog?.(`a parked prefix did not come back: ${String(cause)}`);
          scheduler.unpark(command.place);
          scheduler.recompute(command.id);
          context.removeTokenCellsFromSequence(command.slot, 0, -1);
          return command.id;
        }
    }
  }

  fail(plan: StepPlan, cause: unknown): void {
    const { answers, scheduler, context } = this.#parts;
    for (const { id, slot } of plan.entries) {
      answers.fail(
        id,
        new EngineError('engine_failed', 'The model failed to compute this request.', { cause }),
      );
      scheduler.forget(slot);
      context.removeTokenCellsFromSequence(slot, 0, -1);
    }
  }

  #addAll(entries: readonly StepEntry[]): { readonly due: Due[]; readonly scored: Scored[] } {
    const { context, answers } = this.#parts;
    context.initBatch(entries.reduce((sum, { tokens }) => sum + tokens.length, 0));
    const due: Due[] = [];
    const scored: Scored[] = [];
    for (const { id, slot, firstPosition, tokens, isSampled, isScored, drafted } of entries) {
      const first = isSampled ? tokens.length - 1 - drafted : tokens.length;
      const wanted = Uint32Array.from(tokens.keys()).slice(isScored ? 0 : first);
      const logits = context.addToBatch(slot, firstPosition, Uint32Array.from(tokens), wanted);
      const answer = answers.get(id);
      if (answer === undefined) continue;
      if (isScored) {
        for (const [index, logitIndex] of logits.entries())
          scored.push({ answer, position: firstPosition + index + 1, logitIndex });
      }
      if (isSampled) {
        const guesses = tokens.slice(tokens.length - drafted);
        due.push({ answer, slot, guesses, logits: logits.slice(logits.length - 1 - drafted) });
      }
    }
    return { due, scored };
  }

  /**
   * Samples from the model after the last token, then after each guess for as long as the guesses are what was
   * sampled: the answer is token for token what it would have been without them, whatever the sampling.
   */
  async #sampleAll({ answer, slot, guesses, logits }: Due): Promise<void> {
    const { scheduler, context } = this.#parts;
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
    // What was guessed wrong must not be seen by the next token.
    const right = scheduler.computedTokens(answer.id);
    if (right !== undefined) context.removeTokenCellsFromSequence(slot, right, -1);
  }

  /** What the model thought of the prompt token at `position`. */
  async #score({ answer, position, logitIndex }: Scored): Promise<void> {
    const { request } = answer;
    const token = request.prompt[position];
    // Told already, before a preemption.
    if (token === undefined || answer.isCancelled || answer.scores.length > position) return;
    const probabilities = await this.#probabilities(logitIndex);
    const { logprob, top } = toLogprobs(token, probabilities, request.topLogprobs ?? 0);
    answer.scores.push({ token, logprob: logprob ?? null, top: top ?? [] });
  }

  async #probabilities(logitIndex: number): Promise<readonly number[] | undefined> {
    const { context, probe } = this.#parts;
    return (await context.sampleToken(logitIndex, probe, true))[1];
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
      request.topLogprobs === undefined ? undefined : await this.#probabilities(logitIndex);
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
