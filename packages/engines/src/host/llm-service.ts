/** OpenAI's calls on one language model: parse, compute, answer. */
import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { countOf } from '@gantry/kit';
import { EngineError } from '../engine-error.ts';
import type { GenerateRequest, LlmEngine } from '../llm-engine.ts';
import { chatDialect, completionsDialect, type Dialect } from '../openai/dialect.ts';
import { parseChat, parseCompletions, parseEmbeddings } from '../openai/parse-request.ts';
import { parseResponseRequest } from '../openai/parse-response-request.ts';
import { answerEmbeddings } from './answer-embeddings.ts';
import { answerGeneration } from './answer-generation.ts';
import { answerResponse } from './answer-response.ts';
import { createLlmEngine, type LlmEngineChoice, threadsOf } from './create-llm-engine.ts';
import type { EngineCall, EngineRoute, EngineService } from './engine-server.ts';
import { generateRequests, type Asked } from './generate-requests.ts';
import { readJson, sendJson } from './http-body.ts';
import { chatTokens, tokensOf } from './prompt-tokens.ts';

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

  describe(): string {
    const { modelName, decoder = 'llama.cpp', device = 'cpu' } = this.#options;
    const engine = this.#engine as LlmEngine;
    const { slots, kvTokensTotal } = engine.stats();
    return [
      `${modelName} by ${decoder} on ${device}`,
      countOf(slots, 'slot'),
      `${countOf(engine.contextTokens, 'token')} of context`,
      `keys and values of ${countOf(kvTokensTotal, 'token')}`,
      countOf(threadsOf(this.#options), 'thread'),
      ...(engine.adapters.length === 0 ? [] : [`adapters ${engine.adapters.join(' ')}`]),
    ].join(', ');
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
          throw new EngineError(
            'queue_full',
            `${countOf(queued, 'request')} ${queued === 1 ? 'is' : 'are'} waiting already.`,
            {
              hint: 'Try again later.',
            },
          );
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
      prompts: [await chatTokens(engine, chat)],
      echoed: [],
      param: 'messages',
      tools: chat.tools,
    });
  }

  async #respond(engine: LlmEngine, body: unknown, call: EngineCall): Promise<void> {
    const options = parseResponseRequest(body);
    const prompt = await chatTokens(engine, options);
    this.#requireModel(options.model);
    const [request] = generateRequests(engine, call, {
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
    const { length } = await chatTokens(engine, asked);
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

  async #generate(
    engine: LlmEngine,
    call: EngineCall,
    asked: Asked & { readonly dialect: Dialect },
  ): Promise<void> {
    const { dialect, options, prompts, echoed } = asked;
    this.#requireModel(options.model);
    const requests = generateRequests(engine, call, asked);
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
    const embeddings = parseEmbeddings(body);
    this.#requireModel(embeddings.model);
    await answerEmbeddings(engine, embeddings, embeddings.model ?? this.#options.modelName, response);
  }

  #requireModel(model: string | undefined): void {
    if (this.#options.isStrictModel !== true || model === undefined) return;
    if (model.split(':', 1)[0] === this.#options.modelName) return;
    throw new EngineError('model_not_found', `The model ${JSON.stringify(model)} does not exist.`, {
      param: 'model',
    });
  }
}
