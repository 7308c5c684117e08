/**
 * A GGUF model stepped by our scheduler: each turn plans one forward pass, computes it off the event loop,
 * samples the sequences that are due and hands their tokens out. Requests join and leave between passes.
 */
import { DraftLength, StepScheduler, type StepPlan } from '@gantry/serving/steps';
import type { LlamaEmbeddingContext, Token } from 'node-llama-cpp';
import { EngineError } from '../engine-error.ts';
import { LiveAnswers } from '../live-answers.ts';
import type { ChatMessage, EngineStats, GenerateEvent, GenerateRequest, LlmEngine } from '../llm-engine.ts';
import { piecesOf } from '../pieces.ts';
import { proposeGuesses } from '../propose-guesses.ts';
import { StepLoop } from '../step-loop.ts';
import { ModelTemplate } from '../templates/model-template.ts';
import { tokenizeContinued } from './continued-text.ts';
import { grammarOf } from './grammar.ts';
import { LlamaLanes } from './llama-lanes.ts';
import { LlamaPasses, type LlamaAnswerState } from './llama-passes.ts';
import { type LlamaEngineOptions, type LoadedModel, loadModel, tokensPerBlock } from './loaded-model.ts';
import { longestTokenOf, specialTextsOf, vocabularySizeOf } from './model-facts.ts';
import type { NativeSampler } from './native.ts';
import { samplerConfig } from './sampler-config.ts';
import { vocabularyDetokenizer } from './vocabulary-detokenizer.ts';

export type { LlamaEngineOptions } from './loaded-model.ts';

export const createLlamaEngine = async (options: LlamaEngineOptions): Promise<LlmEngine> =>
  new LlamaEngine(options, await loadModel(options));

class LlamaEngine implements LlmEngine {
  readonly contextTokens: number;
  readonly vocabularySize: number;
  readonly longestToken: number | undefined;
  readonly bosToken: number | undefined;
  readonly specialTexts: readonly string[];
  readonly #template: ModelTemplate | undefined;
  readonly #detokenize: (tokens: readonly number[], isContinued: boolean) => string;
  readonly #loaded: LoadedModel;
  readonly #scheduler: StepScheduler;
  readonly #answers: LiveAnswers<LlamaAnswerState>;
  readonly #probe: NativeSampler;
  readonly #passes: LlamaPasses;
  readonly #loop: StepLoop<StepPlan>;
  readonly #slots: number;
  #embedding: Promise<LlamaEmbeddingContext> | undefined;
  #isDisposed = false;

  constructor(options: LlamaEngineOptions, loaded: LoadedModel) {
    const { header, model, native, adapters, parking, speculation } = loaded;
    const { contextTokens, stepTokens, spillSlots } = loaded;
    this.#loaded = loaded;
    this.#detokenize =
      vocabularyDetokenizer(header) ?? ((tokens) => model.detokenize(tokens as readonly Token[]));
    this.#slots = options.slots;
    this.contextTokens = contextTokens;
    this.vocabularySize = vocabularySizeOf(model);
    this.longestToken = longestTokenOf(model);
    this.bosToken = model.tokens.shouldPrependBosToken ? (model.tokens.bos ?? undefined) : undefined;
    this.specialTexts = specialTextsOf(model);
    const { bosString, eosString } = model.tokens;
    const text = model.fileInfo.metadata.tokenizer.chat_template;
    this.#template =
      text === undefined
        ? undefined
        : new ModelTemplate({ text, bos: bosString ?? '', eos: eosString ?? '' });
    const blocksEach = Math.ceil(contextTokens / tokensPerBlock);
    const scheduler = new StepScheduler({
      blocks: options.slots * blocksEach,
      tokensPerBlock,
      lanes: { blocksEach },
      sequences: options.slots,
      contextTokens,
      stepTokens,
      ...piecesOf(options.prefillTokens, stepTokens),
      spillSlots,
    });
    this.#scheduler = scheduler;
    this.#answers = new LiveAnswers({
      contextTokens,
      wake: () => this.#loop.wake(),
      cachedTokens: (id) => scheduler.reusedTokens(id),
      onEnd: ({ id }) => {
        scheduler.finish(id);
        speculation?.drafter.forget(id);
      },
    });
    this.#probe = this.#createProbe();
    const passes = new LlamaPasses({
      model,
      context: native.context,
      adapters,
      probe: this.#probe,
      scheduler,
      lanes: new LlamaLanes({
        context: native.context,
        scheduler,
        parking,
        lanes: options.slots,
        blocksEach,
        tokensPerBlock,
        onLog: options.onLog,
      }),
      answers: this.#answers,
    });
    this.#passes = passes;
    this.#loop = new StepLoop({
      prepare: () => {
        this.#answers.endCancelled();
        return proposeGuesses({ speculation, scheduler, answers: this.#answers });
      },
      plan: () => scheduler.plan(),
      compute: (plan) => passes.compute(plan),
      fail: (plan, cause) => passes.fail(plan, cause),
    });
  }

  get chatTemplate(): string | undefined {
    return this.#template?.text;
  }

  get adapters(): readonly string[] {
    return this.#loaded.adapters.names;
  }

  tokenize(text: string, hasSpecials = false, isContinued = false): number[] {
    const { model } = this.#loaded;
    return isContinued ? tokenizeContinued(model, text, hasSpecials) : model.tokenize(text, hasSpecials);
  }

  detokenize(tokens: readonly number[], isContinued = false): string {
    return this.#detokenize(tokens, isContinued);
  }

  async renderChat(messages: readonly ChatMessage[], tools?: readonly unknown[]): Promise<string> {
    if (this.#template === undefined) throw new EngineError('unsupported', 'The model has no chat template.');
    return this.#template.render(messages, tools);
  }

  async *generate(request: GenerateRequest): AsyncGenerator<GenerateEvent, void, undefined> {
    if (this.#isDisposed) throw new EngineError('shutting_down', 'The engine is shutting down.');
    this.#loaded.adapters.check(request.adapter);
    this.#answers.checkPrompt(request);
    const sampler = this.#loaded.native.createSampler();
    const grammarEvaluationState = await grammarOf(this.#loaded.llama, this.#loaded.model, request);
    sampler.applyConfig({ ...samplerConfig(request.sampling, []), ...grammarEvaluationState });
    const probe = request.topLogprobs === undefined ? undefined : this.#createProbe();
    const state: LlamaAnswerState = {
      sampler,
      probe,
      draftLength: new DraftLength(this.#loaded.speculation?.tokens ?? 1),
      dispose: () => {
        sampler.dispose();
        probe?.dispose();
      },
    };
    yield* this.#answers.open(request, state, (id) =>
      this.#scheduler.add({
        id,
        tokens: request.prompt,
        priority: request.priority ?? 0,
        scope: request.scope ?? '',
        ...(request.adapter === undefined ? {} : { variant: request.adapter }),
        isScored: request.hasPromptLogprobs === true,
      }),
    );
  }

  /** Reads the model's own distribution, before a request's sampler changes it. */
  #createProbe(): NativeSampler {
    const probe = this.#loaded.native.createSampler();
    probe.applyConfig({ temperature: 0 });
    return probe;
  }

  async embed(tokens: readonly number[]): Promise<readonly number[]> {
    if (tokens.length === 0 || tokens.length >= this.contextTokens) {
      throw new EngineError('context_length_exceeded', `The input has ${tokens.length} tokens.`, {
        param: 'input',
      });
    }
    this.#embedding ??= this.#loaded.model.createEmbeddingContext({
      contextSize: this.contextTokens,
      threads: 1,
    });
    const { vector } = await (await this.#embedding).getEmbeddingFor(tokens as Token[]);
    return vector;
  }

  stats(): EngineStats {
    return {
      ...this.#answers.stats(),
      ...this.#passes.counts,
      running: this.#scheduler.running,
      queued: this.#scheduler.queued,
      slots: this.#slots,
      kvTokensUsed: this.#scheduler.usedBlocks * tokensPerBlock,
      kvTokensTotal: this.#slots * Math.ceil(this.contextTokens / tokensPerBlock) * tokensPerBlock,
      kvTokensSpilled: this.#scheduler.spilledBlocks * tokensPerBlock,
      preemptions: this.#scheduler.preemptions,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    await this.#loop[Symbol.asyncDispose]();
    this.#answers.failAll(new EngineError('shutting_down', 'The engine is shutting down.'));
    this.#probe.dispose();
    await this.#template?.[Symbol.asyncDispose]();
    const { llama, model, context, adapters, parking, speculation } = this.#loaded;
    await adapters[Symbol.asyncDispose]();
    await parking?.[Symbol.asyncDispose]();
    await speculation?.drafter[Symbol.asyncDispose]();
    if (this.#embedding !== undefined) await (await this.#embedding).dispose();
    await context.dispose();
    await model.dispose();
    await llama.dispose();
  }
}
