/**
 * Tensors of a JSON body that is too long to be parsed, read in a few places: their heads, their first values, and
 * values at places in between. A list of numbers is passed over by searching for the byte that ends it, so 16 MB cost
 * about as much as copying them. What is found is for statistics: a body that lies about itself spoils only those.
 */
import type { SketchedTensor } from '@gantry/serving';

export interface PeekedTensors {
  readonly tensors: readonly SketchedTensor[];
  /** Every tensor of the field was found. */
  readonly isWhole: boolean;
}

/** Of a name, a shape, parameters: no honest one is longer. */
const maxHeadBytes = 64 * 1024;
/** Texts have no end that can be searched for; longer lists of them are not passed over. */
const maxTextBytes = 1024 ** 2;
/** Read exactly; enough for the scores of one row. */
const exactValues = 64;
/** No number is written longer. */
const longestNumber = 64;

const code = (character: string): number => character.charCodeAt(0);
const [quote, open, close, begin, end, comma, colon, escape] = [
  code('"'),
  code('['),
  code(']'),
  code('{'),
  code('}'),
  code(','),
  code(':'),
  code('\\'),
] as const;

export function peekTensors(body: Buffer, field: 'inputs' | 'outputs', most: number): PeekedTensors {
  const tensors: SketchedTensor[] = [];
  const start = new RegExp(`"${field}"\\s*:\\s*\\[`).exec(body.toString('latin1', 0, maxHeadBytes));
  if (start === null) return { tensors, isWhole: false };
  const cursor = new Cursor(body, start.index + start[0].length);
  for (;;) {
    cursor.take(comma);
    if (cursor.take(close)) return { tensors, isWhole: true };
    if (tensors.length >= most) return { tensors, isWhole: false };
    const tensor = peekTensor(cursor);
    if (tensor === undefined) return { tensors, isWhole: false };
    tensors.push(tensor);
    if (cursor.isLost) return { tensors, isWhole: false };
  }
}

function peekTensor(cursor: Cursor): SketchedTensor | undefined {
  if (!cursor.take(begin)) return undefined;
  const head: Record<string, unknown> = {};
  let data: Data | undefined;
  while (!cursor.isLost && !cursor.take(end)) {
    const key = cursor.value();
    if (typeof key !== 'string' || !cursor.take(colon)) return undefined;
    if (key === 'data') data = cursor.data();
    else head[key] = cursor.value();
    cursor.take(comma);
  }
  const { name, datatype, shape } = head;
  if (typeof name !== 'string' || typeof datatype !== 'string' || !isShape(shape) || data === undefined)
    return undefined;
  return { name, datatype, shape, ...valuesOf(data, shape) };
}

const isShape = (shape: unknown): shape is number[] =>
  Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size >= 0);

type Data =
  | { readonly kind: 'texts'; readonly first: string }
  /** Between its brackets. */
  | { readonly kind: 'numbers'; readonly bytes: Buffer };

class Cursor {
  readonly #body: Buffer;
  #at: number;
  /** The rest cannot be told apart any more. */
  isLost = false;

  constructor(body: Buffer, at: number) {
    this.#body = body;
    this.#at = at;
  }

  /** Whether the next byte that is no space is this one; then it is behind us. */
  take(byte: number): boolean {
    while ((this.#body[this.#at] ?? Infinity) <= 0x20) this.#at++;
    if (this.#body[this.#at] !== byte) return false;
    this.#at++;
    return true;
  }

  /** Any small JSON value. */
  value(): unknown {
    const from = this.#at;
    const to = this.#endOfValue(Math.min(this.#body.length, from + maxHeadBytes));
    if (to !== undefined)
      try {
        this.#at = to;
        return JSON.parse(this.#body.toString('utf8', from, to)) as unknown;
      } catch {
        // Lost, like a value that does not end.
      }
    this.isLost = true;
    return undefined;
  }

  data(): Data | undefined {
    if (!this.take(open)) return undefined;
    const from = this.#at;
    while (this.take(open));
    if (this.#body[this.#at] === quote) return this.#texts();
    // Between numbers stands neither a quote nor a brace, so the first of them is behind the list.
    const ends = [quote, end].map((byte) => this.#body.indexOf(byte, from)).filter((at) => at >= 0);
    const to = this.#body.lastIndexOf(close, Math.min(...ends, this.#body.length));
    if (to < from) return undefined;
    this.#at = to + 1;
    return { kind: 'numbers', bytes: this.#body.subarray(from, to) };
  }

  #texts(): Data | undefined {
    const from = this.#at;
    const to = this.#endOfString(from, Math.min(this.#body.length, from + maxTextBytes));
    const first = to === undefined ? undefined : textOf(this.#body.toString('utf8', from, to));
    if (first === undefined) return undefined;
    // Back before the list, which ends where its brackets do.
    this.#at = this.#body.lastIndexOf(colon, from) + 1;
    const after = this.#endOfValue(Math.min(this.#body.length, this.#at + maxTextBytes));
    if (after === undefined) this.isLost = true;
    else this.#at = after;
    return { kind: 'texts', first };
  }

  /** Just behind the value that begins here; undefined where that is beyond `limit`. */
  #endOfValue(limit: number): number | undefined {
    let depth = 0;
    for (let at = this.#at; at < limit; at++) {
      const byte = this.#body[at] as number;
      if (byte === quote) {
        const after = this.#endOfString(at, limit);
        if (after === undefined) return undefined;
        if (depth === 0) return after;
        at = after - 1;
      } else if (byte === open || byte === begin) depth++;
      else if (byte === close || byte === end) {
        if (depth === 0) return at;
        if (--depth === 0) return at + 1;
      } else if (depth === 0 && byte === comma) return at;
    }
    return undefined;
  }

  #endOfString(from: number, limit: number): number | undefined {
    for (let at = from + 1; ; at++) {
      at = this.#body.indexOf(quote, at);
      if (at < 0 || at >= limit) return undefined;
      let escapes = 0;
      while (this.#body[at - 1 - escapes] === escape) escapes++;
      if (escapes % 2 === 0) return at + 1;
    }
  }
}

function valuesOf(data: Data, shape: readonly number[]): Pick<SketchedTensor, 'count' | 'at'> {
  if (data.kind === 'texts') return { count: 1, at: () => data.first };
  const { bytes } = data;
  const exact = bytes
    .toString('latin1', 0, exactValues * longestNumber)
    .split(/[,[\]\s]+/)
    .filter((text) => text !== '')
    .slice(0, exactValues)
    .map(numberOf);
  const declared = shape.reduce((product, size) => product * size, 1);
  const count = exact.length < exactValues ? Math.min(exact.length, declared) : declared;
  const at = (index: number): number => {
    if (index < exact.length) return exact[index] as number;
    // The value behind the one that lies there: the place itself meets long numbers more often than short ones.
    const place = Math.floor((index / count) * bytes.length);
    const near = bytes.toString('latin1', place, place + 3 * longestNumber);
    const found = /[,[\]\s]+([^,[\]\s]+)(?=[,[\]\s]|$)/.exec(near)?.[1];
    return found === undefined ? (exact.at(-1) as number) : numberOf(found);
  };
  return { count, at };
}

function textOf(quoted: string): string | undefined {
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return undefined;
  }
}

const words: Readonly<Record<string, number>> = { true: 1, false: 0, null: NaN };
const numberOf = (text: string): number => words[text] ?? Number(text);
