/**
 * A GGUF model stepped by our scheduler: each turn plans one forward pass, computes it off the event loop,
 * samples the sequences that are due and hands their tokens out. Requests join and leave between passes.
 */
import type { GgufHeader } from '@gantry/formats';
import { createAbortableQueue, createDeferred, type AbortableQueue, type Deferred } from '@gantry/kit';
import { DraftLength, StepScheduler, type StepPlan } from '@gantry/serving/steps';
import {
  getLlama,
  LlamaGrammarEvaluationState,
  LlamaLogLevel,
  type Llama,
  type LlamaContext,
  type LlamaEmbeddingContext,
  type LlamaModel,
  type Token,
} from 'node-llama-cpp';
import { EngineError } from '../engine-error.ts';
import type { EngineStats, GenerateEvent, GenerateRequest, LlmEngine, TokenScore } from '../llm-engine.ts';
import { createRecentQuantiles } from '../recent-quantiles.ts';
import { byteLevelDetokenizer } from './byte-level-detokenizer.ts';
import { checkModelFile } from './check-model-file.ts';
import { createDrafter, type DraftWanted, type Speculation, type SpeculationOptions } from './drafter.ts';
import { nativeParts, type NativeContext, type NativeParts, type NativeSampler } from './native.ts';
import { samplerConfig } from './sampler-config.ts';

export interface LlamaEngineOptions {
  readonly modelPath: string;
  /** Tokens of one sequence; at most what the model was trained for. */
  readonly contextTokens?: number;
  /** Sequences computed together. */
  readonly slots: number;
  readonly threads: number;
  /** Most tokens of one forward pass, and most prompt tokens beside running streams. */
  readonly stepTokens?: number;
  readonly prefillTokens?: number;
  /** Guess tokens ahead and check them in one pass; the answer is the same, sooner. */
  readonly speculation?: SpeculationOptions;
  readonly onLog?: (line: string) => void;
}

/** Logits that are ready to be sampled: after the last token, and after each guess that follows it. */
interface Due {
  readonly active: Active;
  readonly slot: number;
  readonly guesses: readonly number[];
  readonly logits: Uint32Array;
}

interface Active {
  readonly id: string;
  readonly request: GenerateRequest;
  readonly events: AbortableQueue<GenerateEvent>;
  readonly sampler: NativeSampler;
  readonly generated: number[];
  readonly scores: TokenScore[];
  /** When it arrived, then when its last token came. */
  lastAtMs: number;
  readonly draftLength: DraftLength;
  isCancelled: boolean;
  error: EngineError | undefined;
}

export async function createLlamaEngine(options: LlamaEngineOptions): Promise<LlmEngine> {
  const header = await checkModelFile(options.modelPath);
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    logLevel: LlamaLogLevel.warn,
    logger: (_level, message) => options.onLog?.(message.trim()),
  }).catch((cause: unknown) => {
    throw new EngineError('engine_failed', 'llama.cpp cannot be started on this machine.', {
      hint: `Is there a @node-llama-cpp package for ${process.platform}-${process.arch}? Run npm ci without --omit=optional.`,
      cause,
    });
  });
  let model: LlamaModel | undefined;
  try {
    model = await llama.loadModel({ modelPath: options.modelPath });
    const contextTokens = Math.min(options.contextTokens ?? 2_048, model.trainContextSize);
    const stepTokens = Math.max(options.stepTokens ?? 256, options.slots);
    const context = await model.createContext({
      sequences: options.slots,
      contextSize: contextTokens,
      batchSize: stepTokens,
      threads: options.threads,
    });
    const speculation = options.speculation && {
      tokens: options.speculation.tokens ?? 4,
      drafter: await createDrafter(llama, model, options.speculation, {
        contextTokens,
        slots: options.slots,
        threads: options.threads,
      }),
    };
    return new LlamaEngine(
      { ...options, contextTokens, stepTokens },
      { header, llama, model, context, speculation },
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
  readonly chatTemplate: string | undefined;
  readonly #detokenize: (tokens: readonly number[]) => string;
  readonly #llama: Llama;
  readonly #model: LlamaModel;
  readonly #contextOwner: LlamaContext;
  readonly #native: NativeParts;
  readonly #context: NativeContext;
  readonly #scheduler: StepScheduler;
  readonly #speculation: Speculation | undefined;
  readonly #active = new Map<string, Active>();
  readonly #probe: NativeSampler;
  readonly #slots: number;
  readonly #timeToFirstTokenMs = createRecentQuantiles();
  readonly #interTokenMs = createRecentQuantiles();
  #embedding: Promise<LlamaEmbeddingContext> | undefined;
  #wake: Deferred<void> | undefined;
  #isDisposed = false;
  #nextId = 0;
  readonly #loop: Promise<void>;
  readonly #counts = {
    promptTokens: 0,
    cachedTokens: 0,
    completionTokens: 0,
    requests: 0,
    cancelled: 0,
    steps: 0,
    draftedTokens: 0,
    acceptedTokens: 0,
  };

  constructor(
    options: LlamaEngineOptions & { readonly contextTokens: number; readonly stepTokens: number },
    parts: {
      readonly header: GgufHeader;
      readonly llama: Llama;
      readonly model: LlamaModel;
      readonly context: LlamaContext;
      readonly speculation: Speculation | undefined;
    },
  ) {
    const { header, llama, model, context } = parts;
    this.#speculation = parts.speculation;
    this.#detokenize =
      byteLevelDetokenizer(header) ?? ((tokens) => model.detokenize(tokens as readonly Token[]));
    this.#llama = llama;
    this.#model = model;
    this.#contextOwner = context;
    this.#native = nativeParts(model, context);
    this.#context = this.#native.context;
    this.#slots = options.slots;
    this.contextTokens = options.contextTokens;
    this.vocabularySize = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
    this.bosToken = model.tokens.shouldPrependBosToken ? (model.tokens.bos ?? undefined) : undefined;
    this.chatTemplate = model.fileInfo.metadata.tokenizer.chat_template;
    this.#scheduler = new StepScheduler({
      slots: options.slots,
      contextTokens: options.contextTokens,
      stepTokens: options.stepTokens,
      prefillTokens: Math.min(options.prefillTokens ?? 64, options.stepTokens),
    });
    // Greedy with probabilities: reads the model's own distribution before a request's sampler changes it.
    this.#probe = this.#native.createSampler();
    this.#probe.applyConfig({ temperature: 0 });
    this.#loop = this.#run();
  }

  tokenize(text: string, hasSpecials = false): number[] {
    return this.#model.tokenize(text, hasSpecials);
  }

  detokenize(tokens: readonly number[]): string {
    return this.#detokenize(tokens);
  }

  renderChat(messages: GenerateMessages, tools?: readonly unknown[]): string {
    if (this.chatTemplate === undefined)
      throw new EngineError('unsupported', 'The model has no chat template.');
    const { bosString, eosString } = this.#model.tokens;
    try {
      return this.#native.createChatTemplate(this.chatTemplate).render({
        messages,
        ...(tools === undefined ? {} : { tools }),
        add_generation_prompt: true,
        bos_token: bosString ?? '',
        eos_token: eosString ?? '',
      });
    } catch (cause) {
      throw new EngineError('invalid_value', "The model's chat template refuses these messages.", {
        param: 'messages',
        cause,
      });
    }
  }

  async *generate(request: GenerateRequest): AsyncGenerator<GenerateEvent, void, undefined> {
    if (this.#isDisposed) throw new EngineError('shutting_down', 'The engine is shutting down.');
    if (request.prompt.length === 0 || request.prompt.length >= this.contextTokens) {
      throw new EngineError(
        'context_length_exceeded',
        `The prompt has ${request.prompt.length} tokens; the context holds ${this.contextTokens}, prompt and answer together.`,
        { param: 'prompt' },
      );
    }
    const sampler = this.#native.createSampler();
    const grammarEvaluationState = await this.#grammarOf(request);
    sampler.applyConfig({ ...samplerConfig(request.sampling, []), ...grammarEvaluationState });
    const active: Active = {
      id: String(this.#nextId++),
      request,
      events: createAbortableQueue(),
      sampler,
      generated: [],
      scores: [{ token: request.prompt[0] as number, logprob: null, top: [] }],
      lastAtMs: performance.now(),
      draftLength: new DraftLength(this.#speculation?.tokens ?? 1),
      isCancelled: false,
      error: undefined,
    };
    const cancel = (): void => {
      active.isCancelled = true;
      this.#wake?.resolve();
    };
    if (request.signal?.aborted === true) cancel();
    request.signal?.addEventListener('abort', cancel, { once: true });
    this.#active.set(active.id, active);
    this.#counts.requests += 1;
    this.#scheduler.add({
      id: active.id,
      tokens: request.prompt,
      priority: request.priority ?? 0,
      scope: request.scope ?? '',
      isScored: request.hasPromptLogprobs === true,
    });
    this.#wake?.resolve();
    try {
      yield* active.events;
      if (active.error !== undefined) throw active.error;
    } finally {
      request.signal?.removeEventListener('abort', cancel);
      // A consumer that stopped reading early cancels.
      if (this.#active.has(active.id)) cancel();
    }
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
      ...this.#counts,
      running: this.#scheduler.running,
      queued: this.#scheduler.queued,
      slots: this.#slots,
      kvTokensUsed: this.#scheduler.kvTokensUsed,
      kvTokensTotal: this.#slots * this.contextTokens,
      timeToFirstTokenMs: this.#timeToFirstTokenMs.summary(),
      interTokenMs: this.#interTokenMs.summary(),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#wake?.resolve();
    await this.#loop;
    this.#probe.dispose();
    await this.#speculation?.drafter[Symbol.asyncDispose]();
    if (this.#embedding !== undefined) await (await this.#embedding).dispose();
    await this.#contextOwner.dispose();
    await this.#model.dispose();
    await this.#llama.dispose();
  }

  async #grammarOf({ jsonSchema }: GenerateRequest): Promise<Record<string, unknown>> {
    if (jsonSchema === undefined) return {};
    try {
      const grammar =
        jsonSchema === true
          ? await this.#llama.getGrammarFor('json')
          : await this.#llama.createGrammarForJsonSchema(jsonSchema as never);
      const state = new LlamaGrammarEvaluationState({ model: this.#model, grammar });
      return { grammarEvaluationState: (state as unknown as { readonly _state: unknown })._state };
    } catch (cause) {
      throw new EngineError('invalid_value', 'The JSON schema cannot be made into a grammar.', {
        param: 'response_format',
        hint: cause instanceof Error ? cause.message : '',
        cause,
      });
    }
  }

  async #run(): Promise<void> {
    while (!this.#isDisposed) {
      for (const active of this.#active.values()) if (active.isCancelled) this.#end(active, 'cancelled');
      if (this.#speculation !== undefined) await this.#guess(this.#speculation);
      const plan = this.#scheduler.plan();
      if (plan === undefined) {
        const wake = createDeferred<void>();
        this.#wake = wake;
        await wake.promise;
        this.#wake = undefined;
        continue;
      }
      try {
        await this.#compute(plan);
      } catch (cause) {
        this.#fail(plan, cause);
      }
    }
    for (const active of this.#active.values()) {
      active.error = new EngineError('shutting_down', 'The engine is shutting down.');
      this.#end(active, undefined);
    }
  }

  async #guess({ drafter }: Speculation): Promise<void> {
    const wanted: DraftWanted[] = [];
    for (const { id, tokens, room } of this.#scheduler.generating()) {
      const active = this.#active.get(id);
      if (active === undefined) continue;
      const left = active.request.maxTokens - active.generated.length - 1;
      const most = Math.min(room, left, active.draftLength.length);
      if (most > 0) wanted.push({ id, tokens, most });
    }
    if (wanted.length === 0) return;
    for (const [id, draft] of await drafter.propose(wanted)) this.#scheduler.propose(id, draft);
  }

  async #compute(plan: StepPlan): Promise<void> {
    for (const command of plan.commands) {
      if (command.kind === 'copy') {
        await this.#context.copySequenceStateFromOtherSequence(command.to, command.from);
        this.#context.removeTokenCellsFromSequence(command.to, command.tokens, -1);
      } else {
        this.#context.removeTokenCellsFromSequence(command.slot, command.tokens, -1);
      }
    }
    if (plan.entries.length === 0) return;
    this.#context.initBatch(plan.entries.reduce((sum, { tokens }) => sum + tokens.length, 0));
    const due: Due[] = [];
    const scored: { readonly active: Active; readonly position: number; readonly logitIndex: number }[] = [];
    for (const { id, slot, firstPosition, tokens, isSampled, isScored, drafted } of plan.entries) {
      const first = isSampled ? tokens.length - 1 - drafted : tokens.length;
      const wanted = Uint32Array.from(tokens.keys()).slice(isScored ? 0 : first);
      const logits = this.#context.addToBatch(slot, firstPosition, Uint32Array.from(tokens), wanted);
      const active = this.#active.get(id);
      if (active === undefined) continue;
      if (isScored) {
        for (const [index, logitIndex] of logits.entries()) {
          scored.push({ active, position: firstPosition + index + 1, logitIndex });
        }
      }
      if (isSampled) {
        const guesses = tokens.slice(tokens.length - drafted);
        due.push({ active, slot, guesses, logits: logits.slice(logits.length - 1 - drafted) });
      }
    }
    await this.#context.decodeBatch();
    this.#scheduler.commit(plan);
    this.#counts.steps += 1;
    for (const { active, position, logitIndex } of scored) await this.#score(active, position, logitIndex);
    await Promise.all(due.map(async (one) => this.#sampleAll(one)));
  }

  /**
   * Samples from the model after the last token, then after each guess for as long as the guesses are what was
   * sampled: the answer is token for token what it would have been without them, whatever the sampling.
   */
  async #sampleAll({ active, slot, guesses, logits }: Due): Promise<void> {
    let accepted = 0;
    for (const [index, logitIndex] of logits.entries()) {
      const token = await this.#sample(active, logitIndex);
      if (token === undefined || token !== guesses[index]) break;
      this.#scheduler.confirm(active.id);
      accepted += 1;
    }
    if (guesses.length === 0) return;
    active.draftLength.observe(guesses.length, accepted);
    this.#counts.draftedTokens += guesses.length;
    this.#counts.acceptedTokens += accepted;
    // What was guessed wrong must not be seen by the next token.
    const right = this.#scheduler.computedTokens(active.id);
    if (right !== undefined) this.#context.removeTokenCellsFromSequence(slot, right, -1);
  }

  /** What the model thought of the prompt token at `position`, from the logits of the one before it. */
  async #score(active: Active, position: number, logitIndex: number): Promise<void> {
    const token = active.request.prompt[position];
    if (token === undefined || active.isCancelled) return;
    const [, probabilities] = await this.#context.sampleToken(logitIndex, this.#probe, true);
    const { logprob, top } = toLogprobs(token, probabilities, active.request.topLogprobs ?? 0);
    active.scores.push({ token, logprob: logprob ?? null, top: top ?? [] });
  }

  /** The next token, handed out; undefined when the sequence has ended with it or before it. */
  async #sample(active: Active, logitIndex: number): Promise<number | undefined> {
    const { request, generated } = active;
    if (active.isCancelled) return undefined;
    if (request.hasPromptLogprobs === true && generated.length === 0) {
      active.events.push({ type: 'prompt', scores: active.scores });
    }
    if (request.maxTokens === 0) {
      this.#end(active, 'length');
      return undefined;
    }
    const probabilities =
      request.topLogprobs === undefined
        ? undefined
        : (await this.#context.sampleToken(logitIndex, this.#probe, true))[1];
    if (request.sampling.presencePenalty !== undefined || request.sampling.frequencyPenalty !== undefined) {
      active.sampler.applyConfig(samplerConfig(request.sampling, generated));
    }
    const token = await this.#context.sampleToken(logitIndex, active.sampler);
    if (token < 0 || (this.#model.isEogToken(token as Token) && request.ignoreEnd !== true)) {
      this.#end(active, 'stop');
      return undefined;
    }
    const first = generated.length === 0 ? { cachedTokens: this.#countPrompt(active) } : {};
    const nowMs = performance.now();
    (generated.length === 0 ? this.#timeToFirstTokenMs : this.#interTokenMs).record(nowMs - active.lastAtMs);
    active.lastAtMs = nowMs;
    generated.push(token);
    this.#counts.completionTokens += 1;
    active.events.push({
      type: 'token',
      token,
      ...first,
      ...toLogprobs(token, probabilities, request.topLogprobs),
    });
    const hasRoom = this.#scheduler.append(active.id, token);
    if (hasRoom && generated.length < request.maxTokens) return token;
    this.#end(active, 'length');
    return undefined;
  }

  #countPrompt(active: Active): number {
    const cachedTokens = this.#scheduler.reusedTokens(active.id) ?? 0;
    this.#counts.promptTokens += active.request.prompt.length;
    this.#counts.cachedTokens += cachedTokens;
    return cachedTokens;
  }

  #end(active: Active, reason: 'stop' | 'length' | 'cancelled' | undefined): void {
    if (!this.#active.delete(active.id)) return;
    if (active.generated.length === 0) this.#countPrompt(active);
    const cachedTokens = this.#scheduler.reusedTokens(active.id) ?? 0;
    this.#scheduler.finish(active.id);
    this.#speculation?.drafter.forget(active.id);
    active.sampler.dispose();
    if (reason === 'cancelled') this.#counts.cancelled += 1;
    if (reason !== undefined) active.events.push({ type: 'end', reason, cachedTokens });
    active.events.close();
  }

  #fail(plan: StepPlan, cause: unknown): void {
    for (const { id, slot } of plan.entries) {
      const active = this.#active.get(id);
      if (active !== undefined) {
        active.error = new EngineError('engine_failed', 'The model failed to compute this request.', {
          cause,
        });
        this.#end(active, undefined);
      }
      this.#scheduler.forget(slot);
      this.#context.removeTokenCellsFromSequence(slot, 0, -1);
    }
  }
}

type GenerateMessages = Parameters<LlmEngine['renderChat']>[0];

function toLogprobs(
  token: number,
  probabilities: readonly number[] | undefined,
  count: number | undefined,
): Pick<Extract<GenerateEvent, { type: 'token' }>, 'logprob' | 'top'> {
  if (probabilities === undefined || count === undefined) return {};
  const top: { token: number; logprob: number }[] = [];
  let logprob = -Infinity;
  for (let at = 0; at + 1 < probabilities.length; at += 2) {
    const value = Math.log(probabilities[at + 1] as number);
    if (probabilities[at] === token) logprob = value;
    if (top.length < count) top.push({ token: probabilities[at] as number, logprob: value });
    else if (logprob !== -Infinity) break;
  }
  // A token of probability zero in single precision; JSON knows no infinity.
  return { logprob: Math.max(logprob, -9_999), top };
}
