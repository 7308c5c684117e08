/** Tokens as the model server counted them. */
export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
}

export const noUsage: Usage = { promptTokens: 0, completionTokens: 0, cachedTokens: 0 };

const count = (value: unknown): number =>
  typeof value === 'number' && Number.isFinite(value) && value > 0 ? Math.floor(value) : 0;

/** Reads OpenAI's `usage` (chat and completions dialect, or the responses dialect's input/output names). */
export function toUsage(value: unknown): Usage | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const usage = value as Record<string, unknown>;
  const details = (usage['prompt_tokens_details'] ?? usage['input_tokens_details']) as
    | Record<string, unknown>
    | null
    | undefined;
  return {
    promptTokens: count(usage['prompt_tokens'] ?? usage['input_tokens']),
    completionTokens: count(usage['completion_tokens'] ?? usage['output_tokens']),
    cachedTokens: count(details?.['cached_tokens']),
  };
}

const key = Buffer.from('"usage":');
const open = 0x7b;
const close = 0x7d;
const quote = 0x22;
const backslash = 0x5c;

/**
 * The last `"usage": {…}` of a JSON text, without parsing the rest: an embeddings answer may be megabytes.
 * Inside a JSON string the same text would read `\"usage\":`, so it cannot be mistaken for the key.
 */
export function usageInJson(bytes: Buffer): Usage | undefined {
  const at = bytes.lastIndexOf(key);
  if (at < 0) return undefined;
  const start = bytes.indexOf(open, at + key.length);
  if (start < 0 || start - at > key.length + 8) return undefined;
  const end = endOfObject(bytes, start);
  if (end === undefined) return undefined;
  try {
    return toUsage(JSON.parse(bytes.toString('utf8', start, end)));
  } catch {
    return undefined;
  }
}

function endOfObject(bytes: Buffer, start: number): number | undefined {
  let depth = 0;
  let inString = false;
  for (let i = start; i < bytes.length; i++) {
    const byte = bytes[i];
    if (inString) {
      if (byte === backslash) i++;
      else if (byte === quote) inString = false;
    } else if (byte === quote) inString = true;
    else if (byte === open) depth++;
    else if (byte === close && --depth === 0) return i + 1;
  }
  return undefined;
}
