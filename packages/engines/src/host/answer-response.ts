/** Runs one Responses call and writes it, whole or as events. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { EngineError } from '../engine-error.ts';
import type { GenerateRequest, LlmEngine } from '../llm-engine.ts';
import { generateText } from '../openai/generation.ts';
import { createResponseEvents, toResponse, type ResponseHead } from '../openai/response-object.ts';
import { mayBeCall, readCalls, type ToolSet } from '../openai/tools.ts';
import { sendJson } from './http-body.ts';

export interface ResponseAnswer {
  readonly head: ResponseHead;
  readonly request: GenerateRequest;
  /** The answer may be a call of one of these. */
  readonly tools: ToolSet | undefined;
}

export async function answerResponse(
  engine: LlmEngine,
  { head, request, tools }: ResponseAnswer,
  isStream: boolean,
  response: ServerResponse,
): Promise<void> {
  const events = createResponseEvents(head);
  const send = async (frames: readonly Readonly<Record<string, unknown>>[]): Promise<void> => {
    for (const frame of frames) {
      const text = `event: ${String(frame['type'])}\ndata: ${JSON.stringify(frame)}\n\n`;
      if (response.write(text) || response.destroyed) continue;
      await Promise.race([once(response, 'drain'), once(response, 'close')]);
    }
  };
  let text = '';
  let sentLength = 0;
  for await (const piece of generateText(engine, request, [])) {
    if (isStream && !response.headersSent) {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
      await send(events.opening());
    }
    if (piece.type === 'prompt') continue;
    if (piece.type === 'text') {
      text += piece.text;
      // What may become a call is held back until it is known to be none.
      if (!isStream || (sentLength === 0 && tools !== undefined && mayBeCall(text))) continue;
      await send(events.delta(text.slice(sentLength)));
      sentLength = text.length;
      continue;
    }
    if (response.destroyed) return;
    const { reason: end, completionTokens, cachedTokens } = piece;
    if (end === 'cancelled')
      throw new EngineError('shutting_down', 'The engine shut down before the answer was complete.', {
        hint: 'Send the request again.',
      });
    const calls = tools === undefined || sentLength > 0 ? undefined : readCalls(text, tools);
    const usage = { promptTokens: request.prompt.length, completionTokens, cachedTokens };
    // A whole call is complete, whatever would have come after it.
    const done =
      calls === undefined
        ? { output: { text }, end, usage }
        : { output: { calls }, end: 'stop' as const, usage };
    if (!isStream) return sendJson(response, 200, toResponse(head, done));
    if (calls === undefined && sentLength < text.length) await send(events.delta(text.slice(sentLength)));
    await send(events.closing(done));
    response.end();
    return;
  }
  throw new EngineError('engine_failed', 'The engine ended without an answer.');
}
