/** What an OpenAI completions stream says, event by event, to its end. */
import { eventFrames } from '@gantry/sdk';

export interface CompletionFrame {
  readonly choices?: readonly {
    readonly text?: string;
    /** Of a chat. */
    readonly delta?: { readonly content?: string | null };
  }[];
  readonly error?: { readonly message: string };
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly prompt_tokens_details?: { readonly cached_tokens?: number };
  } | null;
}

/** Each frame as it arrives, then `done` when the server says that nothing is missing. */
export async function* completionFrames(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<CompletionFrame | 'done'> {
  for await (const { data } of eventFrames(body))
    yield data === '[DONE]' ? 'done' : (JSON.parse(data) as CompletionFrame);
}
