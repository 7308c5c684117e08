/** Whole numbers of 64 bits in JSON, which JavaScript's own numbers cannot hold beyond 2^53. */
import { parseJson } from './parse-json.ts';

/** ES2025 proposal "JSON.parse source text access"; in V8, not yet in TypeScript's library. */
const sourced = JSON as unknown as {
  rawJSON(text: string): object;
  stringify(value: unknown, replace: (key: string, value: unknown) => unknown): string;
  parse(
    text: string,
    revive: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
};

/** Digits that stand alone: a fraction's are a float's, which may round. */
const longInteger = /(?<![\d.])\d{16,}(?![\d.eE])/;

/** As `parseJson`, but whole numbers beyond 2^53 become a bigint. Throws `SyntaxError`. */
export function parseExactJson(bytes: Buffer): unknown {
  const text = bytes.toString('latin1');
  const value = parseJson(bytes);
  if (!longInteger.test(text)) return value;
  return sourced.parse(bytes.toString('utf8'), (_key, each, { source = '' }) =>
    typeof each === 'number' && !Number.isSafeInteger(each) && /^-?\d+$/.test(source) ? BigInt(source) : each,
  );
}

/** As `JSON.stringify`, of what `parseExactJson` read. */
export const writeExactJson = (value: unknown): string =>
  sourced.stringify(value, (_key, each) => (typeof each === 'bigint' ? exactNumber(each) : each));

/** A number where one holds it exactly; else something that JSON.stringify writes with all its digits. */
export const exactNumber = (value: bigint): unknown =>
  value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER
    ? Number(value)
    : sourced.rawJSON(String(value));
