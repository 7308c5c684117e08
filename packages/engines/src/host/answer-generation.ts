/** Runs the answers of one call and writes them, whole or as server-sent events. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { EngineError } from '../engine-error.ts';
import type { GenerateRequest, LlmEngine, TokenScore } from '../llm-engine.ts';
import { toolCallChoice, toolCallDelta, toUsage, type Dialect, type Usage } from '../openai/dialect.ts';
import { generateText } from '../openai/generation.ts';
import type { GenerationOptions } from '../openai/parse-request.ts';
import { mayBeCall, readCalls, type ToolSet } from '../openai/tools.ts';

export interface Generation {
  readonly id: string;
  readonly model: string;
  readonly createdSeconds: number;
  readonly dialect: Dialect;
  readonly options: GenerationOptions;
  /** One an answer, in order of `index`. */
  readonly requests: readonly GenerateRequest[];
  /** Text before each answer: the prompt when it is echoed. */
  readonly echoes: readonly string[];
  /** The prompts, each counted once whatever the number of its answers. */
  readonly promptTokens: number;
  /** An answer may be a call of one of these. */
  readonly tools?: ToolSet | undefined;
}

export async function answerGeneration(
  engine: LlmEngine,
  generation: Generation,
  response: ServerResponse,
): Promise<void> {
  if (generation.options.isStream) await streamAnswer(engine, generation, response);
  else await wholeAnswer(engine, generation, response);
}

async function wholeAnswer(
  engine: LlmEngine,
  generation: Generation,
  response: ServerResponse,
): Promise<void> {
  const { dialect, options, requests, echoes, tools } = generation;
  const answers = await Promise.all(
    requests.map(async (request, index) => {
      let text = echoes[index] ?? '';
      let offset = text.length;
      const reports: TokenScore[] = [];
      for await (const piece of generateText(engine, request, options.stops)) {
        if (piece.type === 'end') {
          const logprobs =
            options.topLogprobs === undefined ? undefined : dialect.logprobs(engine, reports, offset);
          const calls = tools === undefined ? undefined : readCalls(text, tools);
          const choice =
            calls === undefined
              ? dialect.choice(index, text, piece.reason, logprobs)
              : toolCallChoice(index, calls);
          return { ...piece, choice };
        }
        reports.push(...piece.logprobs);
        if (piece.type === 'prompt') offset = 0;
        else text += piece.text;
      }
      throw new EngineError('engine_failed', 'The engine ended without an answer.');
    }),
  );
  if (response.destroyed) return;
  if (answers.some(({ reason }) => reason === 'cancelled')) throw shutDown();
  const body = {
    ...envelope(generation, dialect.object),
    choices: answers.map(({ choice }) => choice),
    usage: toUsage(sum(generation, answers)),
  };
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.byteLength });
  response.end(bytes);
}

async function streamAnswer(
  engine: LlmEngine,
  generation: Generation,
  response: ServerResponse,
): Promise<void> {
  const { dialect, options, requests, echoes, tools } = generation;
  const head = envelope(generation, dialect.chunkObject);
  const send = async (frame: Record<string, unknown>): Promise<void> => {
    if (!response.headersSent) {
      response.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache',
      });
    }
    if (response.write(`data: ${JSON.stringify(frame)}\n\n`) || response.destroyed) return;
    await Promise.race([once(response, 'drain'), once(response, 'close')]);
  };
  const choose = (choice: Record<string, unknown>): Record<string, unknown> => ({
    ...head,
    choices: [choice],
    ...(options.includeUsage ? { usage: null } : {}),
  });
  const answers = await Promise.all(
    requests.map(async (request, index) => {
      let offset = 0;
      let isOpen = false;
      let held = '';
      let isHeld = tools !== undefined;
      for await (const piece of generateText(engine, request, options.stops)) {
        if (!isOpen) {
          isOpen = true;
          const opening = dialect.opening(index);
          if (opening !== undefined) await send(choose(opening));
          const echo = echoes[index] ?? '';
          const scores = piece.type === 'prompt' ? dialect.logprobs(engine, piece.logprobs, 0) : undefined;
          if (echo !== '') await send(choose(dialect.delta(index, echo, scores)));
          offset = echo.length;
        }
        if (piece.type === 'prompt') continue;
        if (piece.type === 'end') {
          if (piece.reason === 'cancelled') return piece;
          const calls = tools === undefined || !isHeld ? undefined : readCalls(held, tools);
          if (calls !== undefined) await send(choose(toolCallDelta(index, calls)));
          else if (isHeld && held !== '') await send(choose(dialect.delta(index, held, undefined)));
          await send(choose(dialect.closing(index, calls === undefined ? piece.reason : 'tool_calls')));
          return piece;
        }
        if (isHeld) {
          held += piece.text;
          isHeld = mayBeCall(held);
          if (isHeld) continue;
        }
        const logprobs =
          options.topLogprobs === undefined ? undefined : dialect.logprobs(engine, piece.logprobs, offset);
        const text = held === '' ? piece.text : held;
        held = '';
        offset += text.length;
        await send(choose(dialect.delta(index, text, logprobs)));
      }
      throw new EngineError('engine_failed', 'The engine ended without an answer.');
    }),
  );
  if (response.destroyed) return;
  if (answers.some(({ reason }) => reason === 'cancelled')) throw shutDown();
  if (options.includeUsage) await send({ ...head, choices: [], usage: toUsage(sum(generation, answers)) });
  response.end('data: [DONE]\n\n');
}

/** Cancelled though the client is still there: the host has run out of time to drain. */
function shutDown(): EngineError {
  return new EngineError('shutting_down', 'The engine shut down before the answer was complete.', {
    hint: 'Send the request again.',
  });
}

function envelope(
  { id, createdSeconds, model, dialect }: Generation,
  object: string,
): Record<string, unknown> {
  return { id: `${dialect.idPrefix}${id}`, object, created: createdSeconds, model };
}

function sum(
  { promptTokens }: Generation,
  answers: readonly { readonly completionTokens: number; readonly cachedTokens: number }[],
): Usage {
  return {
    promptTokens,
    completionTokens: answers.reduce((total, { completionTokens }) => total + completionTokens, 0),
    cachedTokens: Math.min(
      promptTokens,
      answers.reduce((total, { cachedTokens }) => total + cachedTokens, 0),
    ),
  };
}
