/** One streamed completion through the OpenAI surface, as any client would ask for it. */
import { CliError } from './cli-error.ts';
import { completionFrames } from './completion-frames.ts';
import { endpointRefused, sentenceOf } from './endpoint-refused.ts';
import { exitCodes } from './exit-codes.ts';

export interface CompletionRequest {
  readonly url: string;
  readonly key: string;
  readonly model: string;
  readonly prompt: string;
  readonly maxTokens: number;
  /** The prompt is a user's message, put into the model's own template. */
  readonly isChat?: boolean;
}

/** The endpoint has no such call: its model takes tensors, not text. */
export const takesNoText = (error: unknown): boolean =>
  error instanceof CliError &&
  error.code === 'endpoint_failed' &&
  error.message.includes('There is nothing at /v1/');

export async function* streamCompletion(request: CompletionRequest): AsyncIterable<string> {
  const { isChat = false, prompt } = request;
  const path = isChat ? '/v1/chat/completions' : '/v1/completions';
  const response = await fetched(request.url, path, {
    method: 'POST',
    headers: { authorization: `Bearer ${request.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: request.model,
      ...(isChat ? { messages: [{ role: 'user', content: prompt }] } : { prompt }),
      max_tokens: request.maxTokens,
      stream: true,
      temperature: 0.7,
      seed: 1,
    }),
  });
  if (!response.ok || response.body === null)
    throw endpointRefused(
      `the endpoint answered ${response.status}: ${sentenceOf(await response.text())}`,
      response.status,
    );
  for await (const frame of completionFrames(response.body)) {
    if (frame === 'done') return;
    if (frame.error !== undefined) throw endpointRefused(`the answer broke off: ${frame.error.message}`);
    const [choice] = frame.choices ?? [];
    yield choice?.text ?? choice?.delta?.content ?? '';
  }
}

async function fetched(url: string, path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(`${url}${path}`, init);
  } catch {
    throw new CliError('unreachable', `nothing answers at ${url}`, {
      exitCode: exitCodes.unreachable,
      hint: 'is it up? gantry up; another server? gantry login URL',
    });
  }
}
