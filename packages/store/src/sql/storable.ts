/**
 * Text that Postgres can keep: it has no U+0000, in `text` as in `jsonb`, and no half surrogate pairs. What callers
 * send with them is refused at the edge; what programs print must not be lost for it, so U+FFFD stands in.
 */
const unstorable = /\0|[\ud800-\udfff]/;
const unstorableJson = /\\u(?:0000|d[89a-f])/i;

export const storableText = (text: string): string =>
  unstorable.test(text) ? text.replaceAll('\0', '\ufffd').toWellFormed() : text;

export function storableJson(value: unknown): string {
  const json = JSON.stringify(value);
  if (!unstorableJson.test(json)) return json;
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'string'
      ? storableText(inner)
      : typeof inner === 'object' && inner !== null && !Array.isArray(inner)
        ? Object.fromEntries(Object.entries(inner).map(([key, each]) => [storableText(key), each as unknown]))
        : inner,
  );
}
