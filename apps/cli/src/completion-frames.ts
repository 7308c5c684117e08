/** What an OpenAI completions stream says, event by event, to its end. */
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
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      // Everything but data lines is comment or event name.
      const data = /^data: ?(.*)$/m.exec(text.slice(0, end))?.[1];
      text = text.slice(end + 2);
      if (data === '[DONE]') yield 'done';
      else if (data !== undefined) yield JSON.parse(data) as CompletionFrame;
    }
  }
}
