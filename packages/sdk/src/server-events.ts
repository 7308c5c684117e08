/** Server-sent events out of a byte stream (HTML standard §9.2.6), as far as Gantry sends them. */
export interface ServerEvent {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: unknown;
}

export async function* parseServerEvents(bytes: ReadableStream<Uint8Array>): AsyncIterable<ServerEvent> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const chunk of bytes as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
      const event = parseFrame(text.slice(0, end));
      text = text.slice(end + 2);
      if (event !== undefined) yield event;
    }
  }
}

function parseFrame(frame: string): ServerEvent | undefined {
  const fields = new Map<string, string>();
  for (const line of frame.split('\n')) {
    const match = /^(\w+): ?(.*)$/.exec(line);
    if (match?.[1] !== undefined)
      fields.set(match[1], `${fields.has(match[1]) ? `${fields.get(match[1])}\n` : ''}${match[2] ?? ''}`);
  }
  const data = fields.get('data');
  return data === undefined
    ? undefined
    : { event: fields.get('event') ?? 'message', id: fields.get('id'), data: JSON.parse(data) as unknown };
}
