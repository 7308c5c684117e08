/** One streamed completion through the OpenAI surface, as any client would ask for it. */
import { CliError } from './cli-error.ts';
import { type CompletionFrame, completionFrames } from './completion-frames.ts';
import { exitCodeOfStatus, exitCodes } from './exit-codes.ts';

export interface CompletionRequest {
  readonly url: string;
  readonly key: string;
  readonly model: string;
  readonly prompt: string;
  readonly maxTokens: number;
}

export async function* streamCompletion(request: CompletionRequest): AsyncIterable<string> {
  const response = await fetched(request.url, {
    method: 'POST',
    headers: { authorization: `Bearer ${request.key}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      model: request.model,
      prompt: request.prompt,
      max_tokens: request.maxTokens,
      stream: true,
      temperature: 0.7,
      seed: 1,
    }),
  });
  if (!response.ok || response.body === null)
    throw refused(
      `the endpoint answered ${response.status}: ${messageOf(await response.text())}`,
      response.status,
    );
  for await (const frame of completionFrames(response.body)) {
    if (frame === 'done') return;
    if (frame.error !== undefined) throw refused(`the answer broke off: ${frame.error.message}`);
    yield frame.choices?.[0]?.text ?? '';
  }
}

async function fetched(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(`${url}/v1/completions`, init);
  } catch {
    throw new CliError('unreachable', `nothing answers at ${url}`, {
      exitCode: exitCodes.unreachable,
      hint: 'is it up? gantry up; another server? gantry login URL',
    });
  }
}

const refused = (message: string, status?: number): CliError =>
  new CliError('endpoint_failed', message, {
    exitCode: exitCodeOfStatus(status),
    hint: 'look: gantry endpoint list',
  });

function messageOf(body: string): string {
  try {
    return (JSON.parse(body) as CompletionFrame).error?.message ?? body;
  } catch {
    return body.slice(0, 300);
  }
}
