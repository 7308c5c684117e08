/** Runs one Responses call and writes it, whole or as events. */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { EngineError } from '../engine-error.ts';
import type { GenerateRequest, LlmEngine } from '../llm-engine.ts';
import { generateText } from '../openai/generation.ts';
import { createResponseEvents, toResponse, type ResponseHead } from '../openai/response-object.ts';
import { sendJson } from './http-body.ts';

export async function answerResponse(
  engine: LlmEngine,
  head: ResponseHead,
  request: GenerateRequest,
  isStream: boolean,
  response: ServerResponse,
): Promise<void> {
  const events = createResponseEvents(head);
  const send = async (frame: Readonly<Record<string, unknown>>): Promise<void> => {
    const text = `event: ${String(frame['type'])}\ndata: ${JSON.stringify(frame)}\n\n`;
    if (response.write(text) || response.destroyed) return;
    await Promise.race([once(response, 'drain'), once(response, 'close')]);
  };
  let text = '';
  for await (const piece of generateText(engine, request, [])) {
    if (isStream && !response.headersSent) {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
      for (const frame of events.opening()) await send(frame);
    }
    if (piece.type === 'prompt') continue;
    if (piece.type === 'text') {
      text += piece.text;
      if (isStream) await send(events.delta(piece.text));
      continue;
    }
    if (response.destroyed) return;
    const { reason, completionTokens, cachedTokens } = piece;
    if (reason === 'cancelled')
      throw new EngineError('shutting_down', 'The engine shut down before the answer was complete.', {
        hint: 'Send the request again.',
      });
    const usage = { promptTokens: request.prompt.length, completionTokens, cachedTokens };
    if (!isStream) return sendJson(response, 200, toResponse(head, { text, end: reason, usage }));
    for (const frame of events.closing(text, reason, usage)) await send(frame);
    response.end();
    return;
  }
  throw new EngineError('engine_failed', 'The engine ended without an answer.');
}
