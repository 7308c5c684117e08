/** Bytes of a file → its documents: a text file is one document, JSON Lines is one a line. */
export type DocumentsResult =
  | { readonly kind: 'documents'; readonly documents: readonly string[] }
  | { readonly kind: 'binary' }
  | { readonly kind: 'invalid'; readonly line: number; readonly reason: string };

/** The keys under which a record's text is looked for, in this order. */
const textKeys = ['text', 'content', 'body'] as const;

export function documentsOf(path: string, bytes: Uint8Array): DocumentsResult {
  // NUL never occurs in text; git uses the same sign.
  if (bytes.subarray(0, 8_192).includes(0)) return { kind: 'binary' };
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return { kind: 'binary' };
  }
  if (!/\.(jsonl|ndjson)$/i.test(path)) {
    return { kind: 'documents', documents: text.trim() === '' ? [] : [text] };
  }
  const documents: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    let record: unknown;
    try {
      record = JSON.parse(line);
    } catch {
      return { kind: 'invalid', line: index + 1, reason: 'the line is not JSON' };
    }
    const found = textOf(record);
    if (found === undefined) {
      return { kind: 'invalid', line: index + 1, reason: `the record has no ${textKeys.join(', ')}` };
    }
    if (found !== '') documents.push(found);
  }
  return { kind: 'documents', documents };
}

function textOf(record: unknown): string | undefined {
  if (typeof record === 'string') return record;
  if (typeof record !== 'object' || record === null) return undefined;
  const fields = record as Record<string, unknown>;
  for (const key of textKeys) if (typeof fields[key] === 'string') return fields[key];
  return undefined;
}

/** For a single document: its last `fraction`, cut at a line end so that no word is split. */
export function cutTail(document: string, fraction: number): readonly [head: string, tail: string] {
  const aim = Math.floor(document.length * (1 - fraction));
  const lineEnd = document.indexOf('\n', aim);
  const cut = lineEnd === -1 || lineEnd + 1 >= document.length ? aim : lineEnd + 1;
  return [document.slice(0, cut), document.slice(cut)];
}
