/**
 * A GGUF model stepped by our scheduler: each turn plans one forward pass, computes it off the event loop,
 * samples the sequences that are due and hands their tokens out. Requests join and leave between passes.
 */
import type { GgufHeader } from '@gantry/formats';
import { DraftLength, StepScheduler, type StepPlan } from '@gantry/serving/steps';
import {
  type Llama,
  type LlamaContext,
  type LlamaEmbeddingContext,
  type LlamaModel,
  type Token,
} from 'node-llama-cpp';
import type { LlamaBuild } from '../builds/gpu-builds.ts';
import { EngineError } from '../engine-error.ts';
import { LiveAnswers } from '../live-answers.ts';
import type { EngineStats, GenerateEvent, GenerateRequest, LlmEngine } from '../llm-engine.ts';
import { piecesOf } from '../pieces.ts';
import { proposeGuesses } from '../propose-guesses.ts';
import { StepLoop } from '../step-loop.ts';
import { Adapters, type AdapterOptions } from './adapters.ts';
import { byteLevelDetokenizer } from './byte-level-detokenizer.ts';
import { checkModelFile } from './check-model-file.ts';
import { createDrafter, vocabularyOf, type Speculation, type SpeculationOptions } from './drafter.ts';
import { grammarOf } from './grammar.ts';
import { renderTemplate } from './jinja-template.ts';
import { LlamaLanes } from './llama-lanes.ts';
import { LlamaPasses, type LlamaAnswerState } from './llama-passes.ts';
import { specialTextsOf, vocabularySizeOf, widestPass } from './model-facts.ts';
import { nativeParts, type NativeParts, type NativeSampler } from './native.ts';
import { kvBytesPerToken, ParkedFiles, type ParkingOptions } from './parked-files.ts';
import { samplerConfig } from './sampler-config.ts';
import { startLlama } from './start-llama.ts';

export interface LlamaEngineOptions {
  readonly modelPath: string;
  /** Tokens of one sequence; at most what the model was trained for. */
  readonly contextTokens?: number;
  /** Sequences computed together. */
  readonly slots: number;
  readonly threads: number;
  /** Most tokens of one forward pass; default what `widestPass` says. */
  readonly stepTokens?: number;
  /** Prompt tokens beside running streams; default what `piecesOf` says. */
  readonly prefillTokens?: number;
  /** Guess tokens ahead and check them in one pass; the answer is the same, sooner. */
  readonly speculation?: SpeculationOptions;
  readonly adapters?: readonly AdapterOptions[];
  /** Prefixes that have to leave the K/V memory are kept in files. */
  readonly parking?: ParkingOptions;
  /** Of llama.cpp for a device; absent: the processor computes. */
  readonly build?: LlamaBuild;
  readonly onLog?: (line: string) => void;
}

/** Of a page in which memory is accounted and prefixes are found again. */
const tokensPerBlock = 16;

export async function createLlamaEngine(options: LlamaEngineOptions): Promise<LlmEngine> {
  const header = await checkModelFile(options.modelPath);
  const llama = await startLlama(options);
  let model: LlamaModel | undefined;
  try {
    model = await llama.loadModel({ modelPath: options.modelPath });
    const contextTokens = Math.min(options.contextTokens ?? 2_048, model.trainContextSize);
    const stepTokens = Math.max(options.stepTokens ?? widestPass(model), options.slots);
    const context = await model.createContext({
      sequences: options.slots,
      contextSize: contextTokens,
      batchSize: stepTokens,
      flashAttention: true,
      threads: options.threads,
    });
    const speculation = options.speculation && {
      tokens: options.speculation.tokens ?? 4,
      drafter: await createDrafter(llama, vocabularyOf(model), options.speculation, {
        contextTokens,
        slots: options.slots,
        threads: options.threads,
      }),
    };
    const native = nativeParts(model, context);
    const adapters = new Adapters(native);
    for (const adapter of options.adapters ?? []) await adapters.load(adapter);
    const { parking: room } = options;
    const tokenBytes = kvBytesPerToken(header);
    const spillSlots =
      room === undefined || tokenBytes === undefined
        ? 0
        : Math.floor(room.bytes / tokenBytes / tokensPerBlock);
    const parking =
      room === undefined || spillSlots === 0
        ? undefined
        : await ParkedFiles.open(room, native.context, contextTokens);
    return new LlamaEngine(
      { ...options, contextTokens, stepTokens, spillSlots },
      { header, llama, model, context, native, adapters, parking, speculation },
    );
  } catch (cause) {
    await model?.dispose();
    await llama.dispose();
    if (cause instanceof EngineError) throw cause;
    throw new EngineError('model_invalid', `The model ${options.modelPath} cannot be loaded.`, {
      hint:
        cause instanceof Error ? cause.message : 'Is it a GGUF file of an architecture that llama.cpp knows?',
      cause,
    });
  }
}

class LlamaEngine implements LlmEngine {
  readonly contextTokens: number;
  readonly vocabularySize: number;
  readonly bosToken: number | undefined;
  readonly specialTexts: readonly string[];
  readonly chatTemplate: string | undefined;
  readonly #detokenize: (tokens: readonly number[]) => string;
  readonly #llama: Llama;
  readonly #model: LlamaModel;
  readonly #contextOwner: LlamaContext;
  readonly #native: NativeParts;
  readonly #adapters: Adapters;
  readonly #parking: ParkedFiles | undefined;
  readonly #scheduler: StepScheduler;
  readonly #speculation: Speculation | undefined;
  readonly #answers: LiveAnswers<LlamaAnswerState>;
  readonly #probe: NativeSampler;
  readonly #passes: LlamaPasses;
  readonly #loop: StepLoop<StepPlan>;
  readonly #slots: number;
  #embedding: Promise<LlamaEmbeddingContext> | undefined;
  #isDisposed = false;

  constructor(
    options: LlamaEngineOptions & {
      readonly contextTokens: number;
      readonly stepTokens: number;
      readonly spillSlots: number;
    },
    parts: {
      readonly header: GgufHeader;
      readonly llama: Llama;
      readonly model: LlamaModel;
      readonly context: LlamaContext;
      readonly native: NativeParts;
      readonly adapters: Adapters;
      readonly parking: ParkedFiles | undefined;
      readonly speculation: Speculation | undefined;
    },
  ) {
    const { header, llama, model, context, native, adapters, parking, speculation } = parts;
    this.#parking = parking;
    this.#speculation = speculation;
    this.#detokenize =
      byteLevelDetokenizer(header) ?? ((tokens) => model.detokenize(tokens as readonly Token[]));
    this.#llama = llama;
    this.#model = model;
    this.#contextOwner = context;
    this.#native = native;
    this.#adapters = adapters;
    this.#slots = options.slots;
    this.contextTokens = options.contextTokens;
    this.vocabularySize = vocabularySizeOf(model);
    this.bosToken = model.tokens.shouldPrependBosToken ? (model.tokens.bos ?? undefined) : undefined;
    this.specialTexts = specialTextsOf(model);
    this.chatTemplate = model.fileInfo.metadata.tokenizer.chat_template;
    const blocksEach = Math.ceil(options.contextTokens / tokensPerBlock);
    const scheduler = new StepScheduler({
      blocks: options.slots * blocksEach,
      tokensPerBlock,
      lanes: { blocksEach },
      sequences: options.slots,
      contextTokens: options.contextTokens,
      stepTokens: options.stepTokens,
      ...piecesOf(options.prefillTokens, options.stepTokens),
      spillSlots: options.spillSlots,
    });
    this.#scheduler = scheduler;
    this.#answers = new LiveAnswers({
      contextTokens: options.contextTokens,
      wake: () => this.#loop.wake(),
      cachedTokens: (id) => scheduler.reusedTokens(id),
      onEnd: ({ id }) => {
        scheduler.finish(id);
        speculation?.drafter.forget(id);
      },
    });
    this.#probe = this.#native.createSampler();
    this.#probe.applyConfig({ temperature: 0 });
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

  get adapters(): readonly string[] {
    return this.#adapters.names;
  }

  tokenize(text: string, hasSpecials = false, isContinued = false): number[] {
    return this.#model.tokenize(text, hasSpecials, isContinued ? 'trimLeadingSpace' : undefined);
  }

  detokenize(tokens: readonly number[]): string {
    return this.#detokenize(tokens);
  }

  renderChat(messages: GenerateMessages, tools?: readonly unknown[]): string {
    if (this.chatTemplate === undefined)
      throw new EngineError('unsupported', 'The model has no chat template.');
    const { bosString, eosString } = this.#model.tokens;
    return renderTemplate(
      (template) => this.#native.createChatTemplate(template),
      this.chatTemplate,
      { bos: bosString ?? '', eos: eosString ?? '' },
      messages,
      tools,
    );
  }

  async *generate(request: GenerateRequest): AsyncGenerator<GenerateEvent, void, undefined> {
    if (this.#isDisposed) throw new EngineError('shutting_down', 'The engine is shutting down.');
    this.#adapters.check(request.adapter);
    this.#answers.checkPrompt(request);
    const sampler = this.#native.createSampler();
    const grammarEvaluationState = await grammarOf(this.#llama, this.#model, request);
    sampler.applyConfig({ ...samplerConfig(request.sampling, []), ...grammarEvaluationState });
    const state: LlamaAnswerState = {
      sampler,
      draftLength: new DraftLength(this.#speculation?.tokens ?? 1),
      dispose: () => sampler.dispose(),
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

  async embed(tokens: readonly number[]): Promise<readonly number[]> {
    if (tokens.length === 0 || tokens.length >= this.contextTokens) {
      throw new EngineError('context_length_exceeded', `The input has ${tokens.length} tokens.`, {
        param: 'input',
      });
    }
    this.#embedding ??= this.#model.createEmbeddingContext({ contextSize: this.contextTokens, threads: 1 });
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
    await this.#adapters[Symbol.asyncDispose]();
    await this.#parking?.[Symbol.asyncDispose]();
    await this.#speculation?.drafter[Symbol.asyncDispose]();
    if (this.#embedding !== undefined) await (await this.#embedding).dispose();
    await this.#contextOwner.dispose();
    await this.#model.dispose();
    await this.#llama.dispose();
  }
}

type GenerateMessages = Parameters<LlmEngine['renderChat']>[0];
