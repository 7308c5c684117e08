/** What an answer says, whole or in frames, found without parsing the rest of it. */

/** Where the dialects put what the model said: chat, completions, Responses. */
const said = /"(?:content|text|delta)":\s*("(?:[^"\\]|\\.)*")/g;

export function saidText(answer: Buffer, maxChars: number): string {
  let text = '';
  for (const [, quoted = '""'] of answer.toString('utf8').matchAll(said)) {
    text += parsed(quoted);
    if (text.length >= maxChars) break;
  }
  return text.slice(0, maxChars);
}

function parsed(quoted: string): string {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    // A control character that stands bare.
    return quoted.slice(1, -1);
  }
}

/** Values of an embedding that are looked at: all have one origin, a part shows whether it moved. */
const dimensions = 64;
const embedding = Buffer.from('"embedding":');

/** The first embedding of an answer that holds some as numbers. */
export function embeddingPoint(answer: Buffer): Float32Array | undefined {
  const key = answer.indexOf(embedding);
  if (key < 0) return undefined;
  const open = answer.indexOf('[', key);
  if (open < 0 || open > key + embedding.length + 8) return undefined;
  // No number is written in more than 32 characters.
  const text = answer.toString('latin1', open + 1, open + 1 + 32 * dimensions);
  const values = text.split(']', 1)[0]?.split(',').slice(0, dimensions).map(Number) ?? [];
  // The last one may have been cut off; embeddings shorter than the cut are whole.
  return values.length > 0 && values.every(Number.isFinite) ? Float32Array.from(values) : undefined;
}
