/** OpenAI's calls on one language model: parse, compute, answer. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { EngineError } from '../engine-error.ts';
import type { GenerateRequest, LlmEngine } from '../llm-engine.ts';
import { chatDialect, completionsDialect, type Dialect } from '../openai/dialect.ts';
import {
  parseChat,
  parseCompletions,
  parseEmbeddings,
  type ChatCall,
  type GenerationOptions,
  type Prompt,
} from '../openai/parse-request.ts';
import { parseResponseRequest } from '../openai/parse-response-request.ts';
import { cutSpecials, tokenizeCut } from '../openai/plain-specials.ts';
import { toolInstructions, type ToolSet } from '../openai/tools.ts';
import { answerGeneration } from './answer-generation.ts';
import { answerResponse } from './answer-response.ts';
import { createLlmEngine, type LlmEngineChoice } from './create-llm-engine.ts';
import type { EngineCall, EngineRoute, EngineService } from './engine-server.ts';
import { readJson, sendJson } from './http-body.ts';
import { plainPrompt } from './plain-prompt.ts';

export interface LlmServiceOptions extends LlmEngineChoice {
  /** As `/v1/models` lists it. */
  readonly modelName: string;
  /** Requests that may wait for a slot; default 256, beyond it 429. */
  readonly queueLimit?: number;
  readonly bodyLimitBytes?: number;
  /** Refuse other names than `modelName`; off behind a gateway, which routes by endpoint name. */
  readonly isStrictModel?: boolean;
  /** Instead of loading a model: another backend, or a test's. */
  readonly createEngine?: () => Promise<LlmEngine>;
}

type Work = (engine: LlmEngine, body: unknown, call: EngineCall) => Promise<void>;

interface Asked {
  readonly options: GenerationOptions;
  readonly prompts: readonly (readonly number[])[];
  /** The prompts to give back before each answer; empty for none. */
  readonly echoed: readonly Prompt[];
  /** The field that a prompt came in. */
  readonly param: string;
  readonly tools?: ToolSet | undefined;
}

export class LlmService implements EngineService {
  readonly #options: LlmServiceOptions;
  readonly #createdSeconds = Math.floor(Date.now() / 1_000);
  #engine: LlmEngine | undefined;
  #warmMs = 0;

  constructor(options: LlmServiceOptions) {
    this.#options = options;
  }

  async load(): Promise<void> {
    const engine = await (this.#options.createEngine?.() ?? createLlmEngine(this.#options));
    this.#engine = engine;
    const warmUp = {
      prompt: [engine.bosToken ?? 0],
      maxTokens: 1,
      sampling: { temperature: 0, topP: 1, seed: 1 },
    };
    const startedMs = performance.now();
    for await (const event of engine.generate(warmUp)) if (event.type === 'end') break;
    this.#warmMs = performance.now() - startedMs;
  }

  routeOf(path: string): EngineRoute | undefined {
    return this.#routes[path];
  }

  stats(): object {
    return { warmMs: this.#warmMs, ...this.#engine?.stats() };
  }

  errorBody(error: EngineError): object {
    return error.toOpenAi();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#engine?.[Symbol.asyncDispose]();
  }

  readonly #routes: Readonly<Record<string, EngineRoute>> = {
    '/v1/models': { method: 'GET', isWork: false, answer: ({ response }) => this.#listModels(response) },
    '/v1/completions': this.#post((engine, body, call) => this.#complete(engine, body, call)),
    '/v1/chat/completions': this.#post((engine, body, call) => this.#chat(engine, body, call)),
    '/v1/responses': this.#post((engine, body, call) => this.#respond(engine, body, call)),
    '/v1/responses/input_tokens': this.#post((engine, body, call) => this.#countInput(engine, body, call)),
    '/v1/embeddings': this.#post((engine, body, call) => this.#embed(engine, body, call)),
  };

  #post(work: Work): EngineRoute {
    return {
      method: 'POST',
      isWork: true,
      answer: async (call) => {
        const engine = this.#engine as LlmEngine;
        const { queued } = engine.stats();
        if (queued >= (this.#options.queueLimit ?? 256)) {
          throw new EngineError('queue_full', `${queued} requests are waiting already.`, {
            hint: 'Try again later.',
          });
        }
        await work(engine, await readJson(call.request, this.#options.bodyLimitBytes ?? 10_000_000), call);
      },
    };
  }

  #listModels(response: ServerResponse): void {
    sendJson(response, 200, {
      object: 'list',
      data: ['', ...(this.#engine?.adapters ?? []).map((name) => `:${name}`)].map((suffix) => ({
        id: `${this.#options.modelName}${suffix}`,
        object: 'model',
        created: this.#createdSeconds,
        owned_by: 'gantry',
        max_model_len: this.#engine?.contextTokens ?? null,
      })),
    });
  }

  async #chat(engine: LlmEngine, body: unknown, call: EngineCall): Promise<void> {
    const chat = parseChat(body);
    await this.#generate(engine, call, {
      dialect: chatDialect,
      options: chat,
      prompts: [chatTokens(engine, chat)],
      echoed: [],
      param: 'messages',
      tools: chat.tools,
    });
  }

  async #respond(engine: LlmEngine, body: unknown, call: EngineCall): Promise<void> {
    const options = parseResponseRequest(body);
    const prompt = chatTokens(engine, options);
    const [request] = this.#requestsOf(engine, call, {
      options,
      prompts: [prompt],
      echoed: [],
      param: 'input',
    });
    const id = randomUUID().replaceAll('-', '');
    const head = {
      key: id,
      createdSeconds: Math.floor(Date.now() / 1_000),
      model: options.model ?? this.#options.modelName,
      temperature: options.sampling.temperature,
      topP: options.sampling.topP,
      echo: options.echo,
    };
    const answer = { head, request: request as GenerateRequest, tools: options.tools };
    await answerResponse(engine, answer, options.isStream, call.response);
  }

  /** How long the prompt of such a request would be: nothing is computed. */
  async #countInput(engine: LlmEngine, body: unknown, { response }: EngineCall): Promise<void> {
    const asked = parseResponseRequest(body);
    this.#requireModel(asked.model);
    const { length } = chatTokens(engine, asked);
    sendJson(response, 200, { object: 'response.input_tokens', input_tokens: length });
  }

  async #complete(engine: LlmEngine, body: unknown, call: EngineCall): Promise<void> {
    const completions = parseCompletions(body);
    await this.#generate(engine, call, {
      dialect: completionsDialect,
      options: completions,
      prompts: completions.prompts.map((prompt) => tokensOf(engine, prompt, 'prompt')),
      echoed: completions.isEchoed ? completions.prompts : [],
      param: 'prompt',
    });
  }

  /** What to compute: `n` answers to each prompt. */
  #requestsOf(
    engine: LlmEngine,
    { request, signal }: EngineCall,
    { options, prompts, echoed, param }: Asked,
  ): readonly GenerateRequest[] {
    this.#requireModel(options.model);
    const adapter = adapterOf(options.model);
    const common = {
      ignoreEnd: options.ignoreEnd,
      hasPromptLogprobs: echoed.length > 0 && options.topLogprobs !== undefined,
      priority: Number.parseInt(headerOf(request, 'x-gantry-priority') ?? '0', 10) || 0,
      scope: headerOf(request, 'x-gantry-cache-scope') ?? '',
      signal,
      ...(adapter === undefined ? {} : { adapter }),
      ...(options.topLogprobs === undefined ? {} : { topLogprobs: options.topLogprobs }),
      ...(options.jsonSchema === undefined ? {} : { jsonSchema: options.jsonSchema }),
    };
    return prompts.flatMap((tokens) => {
      const prompt = tokens.length === 0 ? [engine.bosToken ?? 0] : tokens;
      const room = engine.contextTokens - prompt.length;
      if (room <= 0) throw tooLong(engine, prompt.length, param);
      return Array.from({ length: options.choices }, (_, choice): GenerateRequest => ({
        ...common,
        prompt,
        maxTokens: Math.min(options.maxTokens ?? engine.contextTokens, room),
        sampling: { ...options.sampling, seed: options.sampling.seed + choice },
      }));
    });
  }

  async #generate(
    engine: LlmEngine,
    call: EngineCall,
    asked: Asked & { readonly dialect: Dialect },
  ): Promise<void> {
    const { dialect, options, prompts, echoed } = asked;
    const requests = this.#requestsOf(engine, call, asked);
    await answerGeneration(
      engine,
      {
        id: randomUUID(),
        model: options.model ?? this.#options.modelName,
        createdSeconds: Math.floor(Date.now() / 1_000),
        dialect,
        options,
        requests,
        echoes: echoed.flatMap((prompt) =>
          Array<string>(options.choices).fill(
            typeof prompt === 'string' ? prompt : engine.detokenize(prompt),
          ),
        ),
        tools: asked.tools,
        promptTokens: prompts.reduce((total, tokens) => total + Math.max(1, tokens.length), 0),
      },
      call.response,
    );
  }

  async #embed(engine: LlmEngine, body: unknown, { response }: EngineCall): Promise<void> {
    const { model, inputs, encoding } = parseEmbeddings(body);
    this.#requireModel(model);
    const data: Record<string, unknown>[] = [];
    let tokenCount = 0;
    for (const [index, input] of inputs.entries()) {
      const tokens = tokensOf(engine, input, 'input');
      tokenCount += tokens.length;
      const vector = await engine.embed(tokens);
      const embedding =
        encoding === 'float' ? vector : Buffer.from(Float32Array.from(vector).buffer).toString('base64');
      data.push({ object: 'embedding', index, embedding });
    }
    sendJson(response, 200, {
      object: 'list',
      data,
      model: model ?? this.#options.modelName,
      usage: { prompt_tokens: tokenCount, total_tokens: tokenCount },
    });
  }

  #requireModel(model: string | undefined): void {
    if (this.#options.isStrictModel !== true || model === undefined) return;
    if (model.split(':', 1)[0] === this.#options.modelName) return;
    throw new EngineError('model_not_found', `The model ${JSON.stringify(model)} does not exist.`, {
      param: 'model',
    });
  }
}

function chatTokens(engine: LlmEngine, { messages, tools }: ChatCall): readonly number[] {
  const template = engine.chatTemplate;
  const knowsTools = template?.includes('tools') === true;
  const said = tools === undefined || knowsTools ? messages : [toolInstructions(tools), ...messages];
  if (template === undefined) return engine.tokenize(plainPrompt(said));
  const { value, mark } = cutSpecials(
    { messages: said, tools: knowsTools ? tools?.tools : undefined },
    engine.specialTexts,
  );
  const text = engine.renderChat(value.messages, value.tools);
  return tokenizeCut(text, mark, (piece, isContinued) => engine.tokenize(piece, true, isContinued));
}

/** `chat:legal` is the model `chat` with its adapter `legal`. */
function adapterOf(model: string | undefined): string | undefined {
  const at = model?.indexOf(':') ?? -1;
  return at === -1 ? undefined : model?.slice(at + 1);
}

function tokensOf(engine: LlmEngine, prompt: Prompt, param: string): readonly number[] {
  if (typeof prompt === 'string') return engine.tokenize(prompt);
  const unknown = prompt.find((token) => token >= engine.vocabularySize);
  if (unknown === undefined) return prompt;
  throw new EngineError('invalid_value', `Token ${unknown} is not in the vocabulary.`, { param });
}

function tooLong(engine: LlmEngine, tokens: number, param: string): EngineError {
  return new EngineError(
    'context_length_exceeded',
    `This model's context holds ${engine.contextTokens} tokens; the prompt has ${tokens}.`,
    { param, hint: 'Shorten the prompt.' },
  );
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}
