/**
 * The text whose prefix an engine would find in its cache: messages in order, or the prompt. What is not text
 * (images, token ids) is written as JSON, which is just as equal to itself.
 */
export function promptText(fields: Readonly<Record<string, unknown>>, maxChars: number): string {
  const { messages, prompt, input } = fields;
  const parts = Array.isArray(messages) ? messages : [prompt ?? input];
  let text = fields['tools'] === undefined ? '' : JSON.stringify(fields['tools']);
  for (const part of parts) {
    text += partText(part);
    if (text.length >= maxChars) break;
  }
  return text.length > maxChars ? text.slice(0, maxChars) : text;
}

function partText(part: unknown): string {
  if (typeof part === 'string') return part;
  if (typeof part !== 'object' || part === null) return '';
  const { role, content } = part as { role?: unknown; content?: unknown };
  const prefix = typeof role === 'string' ? `\u0001${role}\u0002` : '';
  return prefix + (typeof content === 'string' ? content : JSON.stringify(content ?? part));
}

/** The end of what was said last: beginnings are instructions that every request repeats. Empty where it is no text. */
export function newestText(fields: Readonly<Record<string, unknown>>, maxChars: number): string {
  const { messages, prompt, input } = fields;
  const said = messages ?? prompt ?? input;
  const last: unknown = Array.isArray(said) ? (said as unknown[]).at(-1) : said;
  return textOf(last).slice(-maxChars);
}

function textOf(part: unknown): string {
  if (typeof part === 'string') return part;
  if (Array.isArray(part)) return part.map(textOf).join(' ');
  if (typeof part !== 'object' || part === null) return '';
  const { content, text } = part as { readonly content?: unknown; readonly text?: unknown };
  return typeof text === 'string' ? text : textOf(content);
}
