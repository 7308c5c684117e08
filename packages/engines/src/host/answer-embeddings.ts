import type { ServerResponse } from 'node:http';
import type { LlmEngine } from '../llm-engine.ts';
import type { EmbeddingsCall } from '../openai/parse-request.ts';
import { sendJson } from './http-body.ts';
import { tokensOf } from './prompt-tokens.ts';

/** One vector for each input; `model` is what the answer says. */
export async function answerEmbeddings(
  engine: LlmEngine,
  { inputs, encoding }: EmbeddingsCall,
  model: string,
  response: ServerResponse,
): Promise<void> {
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
    model,
    usage: { prompt_tokens: tokenCount, total_tokens: tokenCount },
  });
}
