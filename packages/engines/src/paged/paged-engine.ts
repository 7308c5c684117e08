/**
 * A decoder of our own for the models that our trainer makes: ONNX Runtime computes, the paged scheduler decides. A
 * sequence holds the K/V blocks that its tokens need; equal beginnings of one scope share theirs; who is preempted
 * goes on later with the same tokens.
 */
import { createRandom } from '@gantry/kit';
import { DraftLength, StepScheduler, type StepPlan } from '@gantry/serving/steps';
import type { Tokenizer } from '@gantry/training/tokenizer';
import { EngineError } from '../engine-error.ts';
import type { AdapterOptions } from '../llamacpp/adapters.ts';
import type { Speculation, SpeculationOptions } from '../llamacpp/drafter.ts';
import { LiveAnswers } from '../live-answers.ts';
import type { ChatMessage, EngineStats, GenerateEvent, GenerateRequest, LlmEngine } from '../llm-engine.ts';
import { noAdapter } from '../no-adapter.ts';
import { proposeGuesses } from '../propose-guesses.ts';
import { piecesOf } from '../pieces.ts';
import { StepLoop } from '../step-loop.ts';
import { ModelTemplate } from '../templates/model-template.ts';
import { AnswerGrammars, type AnswerGrammar } from './answer-grammars.ts';
import { AnswerRows, type AnswerState } from './answer-rows.ts';
import { kvRoom } from './kv-room.ts';
import { KvLost, startDecoder, type DecoderProcess } from './decoder-process.ts';
import { readModelFolder, type ModelFolder } from './read-model-folder.ts';
import { openSpeculation } from './open-speculation.ts';

export interface PagedEngineOptions {
  /** Holds `config.json`, `tokenizer.json` and safetensors. */
  readonly folder: string;
  /** Tokens of one sequence; at most what the model was trained for. */
  readonly contextTokens?: number;
  /** Sequences computed together. */
  readonly slots: number;
  readonly threads: number;
  readonly stepTokens?: number;
  readonly prefillTokens?: number;
  /** Default 16. */
  readonly tokensPerBlock?: number;
  /** K/V memory; default: for as many sequences of half the context as there are slots. */
  readonly kvBytes?: number;
  /** Room for blocks that had to leave it, in memory and then in a file of `spillFolder`; default none. */
  readonly spillMemoryBytes?: number;
  readonly spillDiskBytes?: number;
  readonly spillFolder?: string;
  /** Guess tokens ahead and check them in one pass; a draft model is a GGUF with the same vocabulary. */
  readonly speculation?: SpeculationOptions;
  /** LoRAs of this model as GGUF. */
  readonly adapters?: readonly AdapterOptions[];
  readonly onLog?: (line: string) => void;
}

export async function createPagedEngine(options: PagedEngineOptions): Promise<LlmEngine> {
  const model = await readModelFolder(options.folder);
  const { config } = model;
  const tokensPerBlock = options.tokensPerBlock ?? 16;
  const contextTokens = Math.min(options.contextTokens ?? 2_048, config.contextLength);
  const room = kvRoom(options, config, { contextTokens, tokensPerBlock });
  const decoder = await startDecoder({
    folder: options.folder,
    threads: options.threads,
    contextTokens,
    tokensPerBlock,
    ...room,
    ...(options.adapters === undefined ? {} : { adapters: options.adapters }),
    ...(options.spillFolder === undefined ? {} : { spillFolder: options.spillFolder }),
  });
  const stepTokens = Math.max(options.stepTokens ?? 256, options.slots);
  const scheduler = new StepScheduler({
    blocks: room.blocks,
    tokensPerBlock,
    contextTokens,
    sequences: options.slots,
    stepTokens,
    ...piecesOf(options.prefillTokens, stepTokens),
    spillSlots: room.memorySlots + room.diskSlots,
  });
  const speculation = await openSpeculation(options, model, contextTokens).catch(async (cause: unknown) => {
    await decoder[Symbol.asyncDispose]();
    throw cause;
  });
  return new PagedEngine(options, {
    model,
    decoder,
    scheduler,
    speculation,
    contextTokens,
    tokens: room.blocks * tokensPerBlock,
  });
}

class PagedEngine implements LlmEngine {
  readonly contextTokens: number;
  readonly vocabularySize: number;
  readonly bosToken: number | undefined;
  readonly specialTexts: readonly string[];
  readonly chatTemplate: string | undefined;
  readonly adapters: readonly string[];
  readonly #options: PagedEngineOptions;
  readonly #model: ModelFolder;
  readonly #tokenizer: Tokenizer;
  readonly #rows: AnswerRows;
  readonly #template: ModelTemplate | undefined;
  readonly #decoder: DecoderProcess;
  readonly #scheduler: StepScheduler;
  readonly #answers: LiveAnswers<AnswerState>;
  readonly #loop: StepLoop<StepPlan>;
  readonly #speculation: Speculation | undefined;
  readonly #kvTokens: number;
  /** Who waits for a state. */
  readonly #embedded = new Map<string, (state: Float32Array) => void>();
  #steps = 0;
  #grammars: Promise<AnswerGrammars> | undefined;
  #isDisposed = false;

  constructor(
    options: PagedEngineOptions,
    parts: {
      readonly model: ModelFolder;
      readonly decoder: DecoderProcess;
      readonly scheduler: StepScheduler;
      readonly speculation: Speculation | undefined;
      readonly contextTokens: number;
      /** That the K/V memory holds. */
      readonly tokens: number;
    },
  ) {
    const { model, decoder, scheduler, speculation, contextTokens, tokens } = parts;
    this.#speculation = speculation;
    this.#options = options;
    this.adapters = (options.adapters ?? []).map(({ name }) => name);
    this.#model = model;
    this.#tokenizer = model.tokenizer;
    this.#decoder = decoder;
    this.#scheduler = scheduler;
    this.#kvTokens = tokens;
    this.contextTokens = contextTokens;
    this.bosToken = model.tokenizer.startId;
    this.specialTexts = model.tokenizer.vocabulary.addedTokens
      .filter(({ special }) => special)
      .map(({ content }) => content);
    this.chatTemplate = model.template?.text;
    this.#template = model.template && new ModelTemplate(model.template);
    this.vocabularySize = model.tokenizer.vocabularySize;
    this.#answers = new LiveAnswers({
      contextTokens,
      wake: () => this.#loop.wake(),
      cachedTokens: (id) => scheduler.reusedTokens(id),
      onEnd: ({ id }) => {
        scheduler.finish(id);
        this.#embedded.delete(id);
        speculation?.drafter.forget(id);
      },
    });
    this.#rows = new AnswerRows({
      answers: this.#answers,
      scheduler,
      vocabularySize: this.vocabularySize,
      endTokens: model.endTokens,
    });
    this.#loop = new StepLoop({
      prepare: () => {
        this.#answers.endCancelled();
        return proposeGuesses({ speculation, scheduler, answers: this.#answers });
      },
      plan: () => scheduler.plan(),
      compute: (plan) => this.#compute(plan),
      fail: (plan, cause) => this.#fail(plan, cause),
    });
  }

  tokenize(text: string, hasSpecials = false, isContinued = false): number[] {
    return this.#tokenizer.encode(text, { hasSpecials, isContinued });
  }

  detokenize(tokens: readonly number[], isContinued = false): string {
    return this.#tokenizer.decode(tokens, isContinued);
  }

  async renderChat(messages: readonly ChatMessage[], tools?: readonly unknown[]): Promise<string> {
    if (this.#template === undefined) throw new EngineError('unsupported', 'The model has no chat template.');
    return this.#template.render(messages, tools);
  }

  async *generate(request: GenerateRequest): AsyncGenerator<GenerateEvent, void, undefined> {
    if (this.#isDisposed) throw new EngineError('shutting_down', 'The engine is shutting down.');
    if (request.adapter !== undefined && !this.adapters.includes(request.adapter))
      throw noAdapter(request.adapter, this.adapters);
    this.#answers.checkPrompt(request);
    const grammar = request.jsonSchema === undefined ? undefined : await this.#grammarOf(request);
    const state: AnswerState = {
      random: createRandom(request.sampling.seed),
      grammar,
      draftLength: new DraftLength(this.#speculation?.tokens ?? 1),
      dispose: () => undefined,
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

  async #grammarOf(request: GenerateRequest): Promise<AnswerGrammar> {
    this.#grammars ??= AnswerGrammars.open(this.#model);
    return (await this.#grammars).make(request);
  }

  /** The last token's state after the final norm, as llama.cpp gives for a model that was trained for no pooling. */
  async embed(tokens: readonly number[]): Promise<readonly number[]> {
    if (this.#isDisposed) throw new EngineError('shutting_down', 'The engine is shutting down.');
    const request: GenerateRequest = {
      prompt: tokens,
      maxTokens: 0,
      sampling: { temperature: 0, topP: 1, seed: 1 },
    };
    this.#answers.checkPrompt(request, 'input');
    const held: AnswerState = {
      random: createRandom(1),
      grammar: undefined,
      draftLength: new DraftLength(1),
      dispose: () => undefined,
    };
    let vector: Float32Array | undefined;
    const events = this.#answers.open(request, held, (id) => {
      this.#embedded.set(id, (state) => (vector = state));
      // A scope of its own: whose text it is is not known here, so nobody may go on from it.
      this.#scheduler.add({ id, tokens, scope: `embedding ${id}` });
    });
    for await (const event of events) if (event.type === 'end') break;
    if (vector === undefined) throw new EngineError('engine_failed', 'The model gave no embedding.');
    return [...vector];
  }

  stats(): EngineStats {
    const { running, queued, usedBlocks, spilledBlocks, preemptions } = this.#scheduler;
    const tokensPerBlock = this.#options.tokensPerBlock ?? 16;
    return {
      ...this.#answers.stats(),
      steps: this.#steps,
      ...this.#rows.counts,
      running,
      queued,
      slots: this.#options.slots,
      kvTokensUsed: usedBlocks * tokensPerBlock,
      kvTokensTotal: this.#kvTokens,
      kvTokensSpilled: spilledBlocks * tokensPerBlock,
      preemptions,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    await this.#loop[Symbol.asyncDispose]();
    this.#answers.failAll(new EngineError('shutting_down', 'The engine is shutting down.'));
    await this.#template?.[Symbol.asyncDispose]();
    await (await this.#grammars?.catch(() => undefined))?.[Symbol.asyncDispose]();
    await this.#speculation?.drafter[Symbol.asyncDispose]();
    await this.#decoder[Symbol.asyncDispose]();
  }

  async #compute(plan: StepPlan): Promise<void> {
    const embedded = plan.entries.filter(({ id, isSampled }) => isSampled && this.#embedded.has(id));
    const startedMs = performance.now();
    const adapters = plan.entries.flatMap(({ id }): [string, string][] => {
      const adapter = this.#answers.get(id)?.request.adapter;
      return adapter === undefined ? [] : [[id, adapter]];
    });
    const { logits, states } = await this.#decoder.compute({
      plan,
      embedded: embedded.map(({ id }) => id),
      adapters: new Map(adapters),
    });
    this.#scheduler.observe(plan.entries, performance.now() - startedMs);
    this.#scheduler.commit(plan);
    this.#steps += 1;
    for (const [id, state] of states) this.#embedded.get(id)?.(state);
    this.#rows.take(plan, logits);
  }

  #fail(plan: StepPlan, cause: unknown): void {
    if (cause instanceof KvLost) {
      // Nobody is failed by a full disk: the tier is given up, and what it held is computed again.
      this.#options.onLog?.(`the K/V tier is given up: ${cause.message}`);
      this.#scheduler.restart({ isTierLost: true });
      return;
    }
    for (const { id } of plan.entries)
      this.#answers.fail(
        id,
        new EngineError('engine_failed', 'The model failed to compute this request.', { cause }),
      );
    this.#scheduler.restart();
  }
}
