/**
 * One language model behind OpenAI's dialect, in a process of its own. It listens at once and is ready when
 * the model has answered a first token; on drain readiness fails first, new work is refused, streams finish
 * within the limit, and what is left then is told so.
 */
import { randomUUID } from 'node:crypto';
import { chmod, lstat, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { availableParallelism } from 'node:os';
import { EngineError } from '../engine-error.ts';
import { createLlamaEngine } from '../llamacpp/llama-engine.ts';
import type { EngineStats, GenerateRequest, LlmEngine } from '../llm-engine.ts';
import { chatDialect, completionsDialect, type Dialect } from '../openai/dialect.ts';
import {
  parseChat,
  parseCompletions,
  parseEmbeddings,
  type GenerationOptions,
  type Prompt,
} from '../openai/parse-request.ts';
import { answerGeneration } from './answer-generation.ts';
import { readJson } from './http-body.ts';
import { plainPrompt } from './plain-prompt.ts';

export interface ServeLlmOptions {
  readonly modelPath: string;
  /** As `/v1/models` lists it. */
  readonly modelName: string;
  readonly listen: { readonly socketPath: string } | { readonly port: number; readonly host?: string };
  /** Tokens of prompt and answer together; default 2048, at most what the model was trained for. */
  readonly contextTokens?: number;
  /** Answers computed together; default 8. */
  readonly slots?: number;
  /** Default: one core fewer than there are, at least 1; ggml's barriers stall when it takes them all. */
  readonly threads?: number;
  /** Aborting drains. */
  readonly signal?: AbortSignal;
  /** How long streams may still run after a drain began; default 30 s. */
  readonly drainTimeoutMs?: number;
  /** Requests that may wait for a slot; default 256, beyond it 429. */
  readonly queueLimit?: number;
  readonly bodyLimitBytes?: number;
  /** Refuse other names than `modelName`; off behind a gateway, which routes by endpoint name. */
  readonly isStrictModel?: boolean;
  readonly onLog?: (line: string) => void;
  /** Instead of loading a GGUF: another backend, or a test's. */
  readonly createEngine?: () => Promise<LlmEngine>;
}

export interface LlmServer extends AsyncDisposable {
  readonly address: { readonly socketPath: string } | { readonly port: number };
  /** Settles when the model is ready, or with why it cannot be. */
  readonly loaded: Promise<void>;
  /** Settles when all is closed, however it came to that. */
  readonly closed: Promise<void>;
  /** Readiness fails, streams finish, then everything closes. */
  drain(): Promise<void>;
}

type State = 'loading' | 'ready' | 'failed' | 'draining';

export async function serveLlm(options: ServeLlmOptions): Promise<LlmServer> {
  const host = new LlmHost(options);
  await host.listen();
  return host;
}

class LlmHost implements LlmServer {
  readonly loaded: Promise<void>;
  readonly closed: Promise<void>;
  readonly #options: ServeLlmOptions;
  readonly #server: Server;
  /** Calls in progress, each with the promise of its end. */
  readonly #calls = new Map<AbortController, Promise<void>>();
  #state: State = 'loading';
  #engine: LlmEngine | undefined;
  #draining: Promise<void> | undefined;
  #resolveClosed: () => void = () => undefined;
  readonly #createdSeconds = Math.floor(Date.now() / 1_000);

  constructor(options: ServeLlmOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => {
      void this.#handle(request, response);
    });
    // Longer than any client pool keeps a connection, so that we never close one that is being used.
    this.#server.keepAliveTimeout = 150_000;
    this.#server.headersTimeout = 10_000;
    this.#server.requestTimeout = 60_000;
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.loaded = this.#load();
    this.loaded.catch(() => undefined);
    const onAbort = (): void => {
      void this.drain();
    };
    if (options.signal?.aborted === true) onAbort();
    options.signal?.addEventListener('abort', onAbort, { once: true });
  }

  get address(): LlmServer['address'] {
    const { listen } = this.#options;
    return 'socketPath' in listen ? listen : { port: (this.#server.address() as AddressInfo).port };
  }

  async listen(): Promise<void> {
    const { listen } = this.#options;
    if ('socketPath' in listen) {
      // A socket left by a killed predecessor; anything else at that path is not ours to remove.
      const there = await lstat(listen.socketPath).catch(() => undefined);
      if (there?.isSocket() === true) await rm(listen.socketPath);
    }
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      const where =
        'socketPath' in listen
          ? { path: listen.socketPath }
          : { port: listen.port, host: listen.host ?? '127.0.0.1' };
      this.#server.listen(where, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
    if ('socketPath' in listen) await chmod(listen.socketPath, 0o600);
  }

  drain(): Promise<void> {
    this.#draining ??= this.#drain();
    return this.#draining;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const call of this.#calls.keys()) call.abort();
    await this.drain();
  }

  async #load(): Promise<void> {
    const { modelPath, contextTokens, onLog, createEngine } = this.#options;
    try {
      const engine =
        createEngine === undefined
          ? await createLlamaEngine({
              modelPath,
              slots: this.#options.slots ?? 8,
              threads: this.#options.threads ?? Math.max(1, availableParallelism() - 1),
              ...(contextTokens === undefined ? {} : { contextTokens }),
              ...(onLog === undefined ? {} : { onLog }),
            })
          : await createEngine();
      this.#engine = engine;
      // Ready means that it has answered, not that it was loaded.
      const warmUp = {
        prompt: [engine.bosToken ?? 0],
        maxTokens: 1,
        sampling: { temperature: 0, topP: 1, seed: 1 },
      };
      for await (const event of engine.generate(warmUp)) if (event.type === 'end') break;
      if (this.#state === 'loading') this.#state = 'ready';
    } catch (error) {
      if (this.#state === 'loading') this.#state = 'failed';
      throw error;
    }
  }

  async #drain(): Promise<void> {
    this.#state = 'draining';
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#server.closeIdleConnections();
    const timer = setTimeout(() => {
      for (const call of this.#calls.keys()) call.abort();
    }, this.#options.drainTimeoutMs ?? 30_000);
    while (this.#calls.size > 0) {
      await Promise.race(this.#calls.values());
    }
    clearTimeout(timer);
    this.#server.closeIdleConnections();
    // Connections that send nothing more, among them half-open ones, get a moment for their last bytes.
    const impatience = setTimeout(() => this.#server.closeAllConnections(), 1_000);
    await closed;
    clearTimeout(impatience);
    await this.loaded.catch(() => undefined);
    await this.#engine?.[Symbol.asyncDispose]();
    this.#resolveClosed();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call = new AbortController();
    response.on('close', () => {
      if (!response.writableFinished) call.abort();
    });
    if (this.#state === 'draining') response.setHeader('connection', 'close');
    try {
      const path = (request.url ?? '/').split('?', 1)[0] as string;
      const route = routes[path];
      if (route === undefined) throw new EngineError('not_found', `There is nothing at ${path}.`);
      if (request.method !== route.method) {
        throw new EngineError('method_not_allowed', `${path} takes ${route.method}.`);
      }
      if (route.method === 'GET') this.#answerGet(route.name, response);
      else await this.#answerPost(route.name, request, response, call);
    } catch (error) {
      this.#answerError(error, request, response);
    }
  }

  #answerGet(name: GetRoute, response: ServerResponse): void {
    switch (name) {
      case 'health':
        sendJson(response, this.#state === 'failed' ? 500 : 200, {
          status: this.#state === 'failed' ? 'failed' : 'ok',
        });
        return;
      case 'ready':
        sendJson(response, this.#state === 'ready' ? 200 : 503, { status: this.#state });
        return;
      case 'models':
        sendJson(response, 200, {
          object: 'list',
          data: [
            {
              id: this.#options.modelName,
              object: 'model',
              created: this.#createdSeconds,
              owned_by: 'gantry',
              max_model_len: this.#engine?.contextTokens ?? null,
            },
          ],
        });
        return;
      case 'stats':
        sendJson(response, 200, { state: this.#state, calls: this.#calls.size, ...this.#stats() });
    }
  }

  #stats(): EngineStats | Record<string, never> {
    return this.#engine?.stats() ?? {};
  }

  async #answerPost(
    name: PostRoute,
    request: IncomingMessage,
    response: ServerResponse,
    call: AbortController,
  ): Promise<void> {
    const engine = this.#readyEngine();
    let end: () => void = () => undefined;
    this.#calls.set(
      call,
      new Promise((resolve) => {
        end = resolve;
      }),
    );
    try {
      const body = await readJson(request, this.#options.bodyLimitBytes ?? 10_000_000);
      if (name === 'embeddings') await this.#embed(engine, body, response);
      else await this.#generate(engine, name, body, request, response, call.signal);
    } finally {
      this.#calls.delete(call);
      end();
    }
  }

  #readyEngine(): LlmEngine {
    if (this.#state === 'ready' && this.#engine !== undefined) {
      const { queued } = this.#engine.stats();
      if (queued < (this.#options.queueLimit ?? 256)) return this.#engine;
      throw new EngineError('queue_full', `${queued} requests are waiting already.`, {
        hint: 'Try again later.',
      });
    }
    if (this.#state === 'draining') throw new EngineError('shutting_down', 'The engine is shutting down.');
    if (this.#state === 'failed') throw new EngineError('model_invalid', 'The model could not be loaded.');
    throw new EngineError('loading', 'The model is still being loaded.', {
      hint: 'Wait until /ready answers 200.',
    });
  }

  async #generate(
    engine: LlmEngine,
    name: 'completions' | 'chat',
    body: unknown,
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const scope = headerOf(request, 'x-gantry-cache-scope') ?? '';
    const priority = Number.parseInt(headerOf(request, 'x-gantry-priority') ?? '0', 10) || 0;
    let dialect: Dialect;
    let options: GenerationOptions;
    let prompts: readonly (readonly number[])[];
    let echoed: readonly Prompt[] = [];
    let hasPromptLogprobs = false;
    if (name === 'chat') {
      const chat = parseChat(body);
      const text =
        engine.chatTemplate === undefined ? plainPrompt(chat.messages) : engine.renderChat(chat.messages);
      dialect = chatDialect;
      options = chat;
      prompts = [engine.tokenize(text, engine.chatTemplate !== undefined)];
    } else {
      const completions = parseCompletions(body);
      dialect = completionsDialect;
      options = completions;
      prompts = completions.prompts.map((prompt) => this.#tokensOf(engine, prompt, 'prompt'));
      if (completions.isEchoed) echoed = completions.prompts;
      hasPromptLogprobs = completions.isEchoed && completions.topLogprobs !== undefined;
    }
    this.#requireModel(options.model);
    const requests = prompts.flatMap((tokens) => {
      const prompt = tokens.length === 0 ? [engine.bosToken ?? 0] : tokens;
      if (prompt.length >= engine.contextTokens) {
        throw new EngineError(
          'context_length_exceeded',
          `This model's context holds ${engine.contextTokens} tokens; the prompt has ${prompt.length}.`,
          { param: name === 'chat' ? 'messages' : 'prompt', hint: 'Shorten the prompt.' },
        );
      }
      return Array.from({ length: options.choices }, (_, choice): GenerateRequest => ({
        prompt,
        maxTokens: Math.min(options.maxTokens ?? engine.contextTokens, engine.contextTokens - prompt.length),
        sampling: { ...options.sampling, seed: options.sampling.seed + choice },
        ...(options.topLogprobs === undefined ? {} : { topLogprobs: options.topLogprobs }),
        ...(options.jsonSchema === undefined ? {} : { jsonSchema: options.jsonSchema }),
        ignoreEnd: options.ignoreEnd,
        hasPromptLogprobs,
        priority,
        scope,
        signal,
      }));
    });
    const echoes = echoed.flatMap((prompt) =>
      Array.from({ length: options.choices }, () =>
        typeof prompt === 'string' ? prompt : engine.detokenize(prompt),
      ),
    );
    await answerGeneration(
      engine,
      {
        id: randomUUID(),
        model: options.model ?? this.#options.modelName,
        createdSeconds: Math.floor(Date.now() / 1_000),
        dialect,
        options,
        requests,
        echoes,
        promptTokens: prompts.reduce((total, tokens) => total + Math.max(1, tokens.length), 0),
      },
      response,
    );
  }

  async #embed(engine: LlmEngine, body: unknown, response: ServerResponse): Promise<void> {
    const { model, inputs, encoding } = parseEmbeddings(body);
    this.#requireModel(model);
    const data: Record<string, unknown>[] = [];
    let tokenCount = 0;
    for (const [index, input] of inputs.entries()) {
      const tokens = this.#tokensOf(engine, input, 'input');
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

  #tokensOf(engine: LlmEngine, prompt: Prompt, param: string): readonly number[] {
    if (typeof prompt === 'string') return engine.tokenize(prompt);
    const unknown = prompt.find((token) => token >= engine.vocabularySize);
    if (unknown === undefined) return prompt;
    throw new EngineError('invalid_value', `Token ${unknown} is not in the vocabulary.`, { param });
  }

  #requireModel(model: string | undefined): void {
    if (this.#options.isStrictModel !== true || model === undefined || model === this.#options.modelName)
      return;
    throw new EngineError('model_not_found', `The model ${JSON.stringify(model)} does not exist.`, {
      param: 'model',
    });
  }

  #answerError(error: unknown, request: IncomingMessage, response: ServerResponse): void {
    if (response.destroyed) return;
    const known =
      error instanceof EngineError
        ? error
        : new EngineError('engine_failed', 'The engine failed to answer.', { cause: error });
    if (known.code === 'engine_failed')
      this.#options.onLog?.(`engine_failed: ${String(known.cause ?? error)}`);
    if (response.headersSent) {
      response.end(`data: ${JSON.stringify(known.toOpenAi())}\n\n`);
      return;
    }
    if (known.status === 503 || known.status === 429) response.setHeader('retry-after', '1');
    // The rest of a body that is too large is not waited for.
    if (!request.complete) response.setHeader('connection', 'close');
    sendJson(response, known.status, known.toOpenAi());
  }
}

type GetRoute = 'health' | 'ready' | 'models' | 'stats';
type PostRoute = 'completions' | 'chat' | 'embeddings';

const routes: Readonly<
  Record<
    string,
    | { readonly method: 'GET'; readonly name: GetRoute }
    | { readonly method: 'POST'; readonly name: PostRoute }
  >
> = {
  '/health': { method: 'GET', name: 'health' },
  '/ready': { method: 'GET', name: 'ready' },
  '/stats': { method: 'GET', name: 'stats' },
  '/v1/models': { method: 'GET', name: 'models' },
  '/v1/completions': { method: 'POST', name: 'completions' },
  '/v1/chat/completions': { method: 'POST', name: 'chat' },
  '/v1/embeddings': { method: 'POST', name: 'embeddings' },
};

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.byteLength });
  response.end(bytes);
}
