/**
 * Server-sent events out of a byte stream (HTML standard §9.2.6), whoever sends them: lines end with LF, CRLF or CR,
 * wherever the bytes are cut, and a value may hold U+2028 and U+2029, which end no line.
 */
export interface EventFrame {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: string;
}

/** Each whole event that has data; what the end of the stream cuts off is dropped, as the standard says. */
export async function* eventFrames(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<EventFrame> {
  let fields = new Map<string, string>();
  for await (const line of linesOf(bytes)) {
    if (line !== '') {
      addField(fields, line);
      continue;
    }
    const data = fields.get('data');
    if (data !== undefined) yield { event: fields.get('event') ?? 'message', id: fields.get('id'), data };
    fields = new Map();
  }
}

function addField(fields: Map<string, string>, line: string): void {
  const colon = line.indexOf(':');
  // What begins with a colon is a comment; what has none is a name without a value.
  if (colon === 0) return;
  const name = colon === -1 ? line : line.slice(0, colon);
  const value = colon === -1 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
  const before = name === 'data' ? fields.get(name) : undefined;
  fields.set(name, before === undefined ? value : `${before}\n${value}`);
}

/** A CR at the end of what has come ends its line at once; the LF that may follow it belongs to it. */
async function* linesOf(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  let endedInCr = false;
  for await (const chunk of bytes) {
    let text = decoder.decode(chunk, { stream: true });
    if (text === '') continue;
    if (endedInCr && text.startsWith('\n')) text = text.slice(1);
    endedInCr = text.endsWith('\r') || (endedInCr && text === '');
    const lines = text.split(/\r\n|\n|\r/);
    lines[0] = rest + (lines[0] ?? '');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}
