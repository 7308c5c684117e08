/** One streamed completion through the OpenAI surface, as any client would ask for it. */
import { CliError } from './cli-error.ts';
import { exitCodes } from './exit-codes.ts';

export interface CompletionRequest {
  readonly url: string;
  readonly key: string;
  readonly model: string;
  readonly prompt: string;
  readonly maxTokens: number;
}

interface Frame {
  readonly choices?: readonly { readonly text?: string }[];
  readonly error?: { readonly message: string };
}

export async function* streamCompletion(request: CompletionRequest): AsyncIterable<string> {
  const response = await fetch(`${request.url}/v1/completions`, {
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
    throw refused(`the endpoint answered ${response.status}: ${messageOf(await response.text())}`);
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      const frame = text.slice(0, end);
      text = text.slice(end + 2);
      // Everything but data lines is comment or event name.
      const data = /^data: ?(.*)$/m.exec(frame)?.[1];
      if (data === undefined) continue;
      if (data === '[DONE]') return;
      const { choices, error } = JSON.parse(data) as Frame;
      if (error !== undefined) throw refused(`the answer broke off: ${error.message}`);
      yield choices?.[0]?.text ?? '';
    }
  }
}

const refused = (message: string): CliError =>
  new CliError('endpoint_failed', message, {
    exitCode: exitCodes.refused,
    hint: 'look: gantry endpoint list',
  });

function messageOf(body: string): string {
  try {
    return (JSON.parse(body) as Frame).error?.message ?? body;
  } catch {
    return body.slice(0, 300);
  }
}
