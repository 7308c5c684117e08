/** Just enough of the WebAssembly binary format (core specification 2.0, §5) for loops over vectors of floats. */

export type Code = readonly number[];
export type ValueType = 'i32' | 'f32' | 'f64' | 'v128';

export interface WasmSource {
  readonly name: string;
  readonly parameters: readonly ValueType[];
  readonly locals: readonly ValueType[];
  readonly result: ValueType | undefined;
  readonly body: Code;
}

const typeCodes: Readonly<Record<ValueType, number>> = { i32: 0x7f, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/** LEB128, unsigned. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low + 128 : low);
  } while (rest > 0);
  return bytes;
}

const many = (items: readonly Code[]): number[] => [...unsigned(items.length), ...items.flat()];
const sized = (bytes: Code): number[] => [...unsigned(bytes.length), ...bytes];
const text = (value: string): number[] => sized([...new TextEncoder().encode(value)]);
const section = (id: number, bytes: Code): number[] => [id, ...sized(bytes)];
const simd = (operator: number, ...rest: readonly number[]): Code => [0xfd, ...unsigned(operator), ...rest];

export const get = (local: number): Code => [0x20, local];
export const set = (local: number, value: Code): Code => [...value, 0x21, local];
/** Below 64: one byte of signed LEB128. */
const small = (value: number): Code => [0x41, value];
export const step = (local: number, by: number): Code =>
  set(local, [...get(local), ...(by < 64 ? small(by) : [0x41, (by % 128) | 0x80, by >> 7]), 0x6a]);
export const isBelow = (left: Code, right: Code): Code => [...left, ...right, 0x49];

/** A loop that runs while the condition, asked before each round, holds. */
export const whileLoop = (condition: Code, body: Code): Code => [
  0x02,
  0x40,
  0x03,
  0x40,
  ...condition,
  0x45,
  0x0d,
  1,
  ...body,
  0x0c,
  0,
  0x0b,
  0x0b,
];

export const load = (address: Code, offset = 0): Code => [...address, ...simd(0, 4, ...unsigned(offset))];
export const store = (address: Code, value: Code, offset = 0): Code => [
  ...address,
  ...value,
  ...simd(11, 4, ...unsigned(offset)),
];

const binary =
  (operator: number) =>
  (left: Code, right: Code): Code => [...left, ...right, ...simd(operator)];
const unary =
  (operator: number) =>
  (value: Code): Code => [...value, ...simd(operator)];

export const f32x4 = {
  splat: unary(0x13),
  sqrt: unary(227),
  add: binary(228),
  subtract: binary(229),
  multiply: binary(230),
  divide: binary(231),
};

export const f64x2 = {
  add: binary(240),
  multiply: binary(242),
  /** The two low floats as doubles. */
  fromLow: unary(95),
  lane: (value: Code, lane: 0 | 1): Code => [...value, ...simd(33, lane)],
};

/** The two high floats in the low half. */
export const highHalf = (value: Code): Code => [
  ...value,
  ...value,
  ...simd(13, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15),
];
export const addDoubles = (left: Code, right: Code): Code => [...left, ...right, 0xa0];

/** `memory.copy`, right also where the two overlap. */
export const copyBytes = (target: Code, source: Code, count: Code): Code => [
  ...target,
  ...source,
  ...count,
  0xfc,
  0x0a,
  0,
  0,
];

/** `\0asm`, version 1. */
const header: Code = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/** A module that works on the shared memory it is given as `host.memory`. */
export function assemble(functions: readonly WasmSource[], maximumPages: number): Uint8Array {
  const types = functions.map(({ parameters, result }) => [
    0x60,
    ...many(parameters.map((type) => [typeCodes[type]])),
    ...many(result === undefined ? [] : [[typeCodes[result]]]),
  ]);
  const bodies = functions.map(({ locals, body }) =>
    sized([...many(locals.map((type) => [1, typeCodes[type]])), ...body, 0x0b]),
  );
  const memory = [...text('host'), ...text('memory'), 0x02, 0x03, 0, ...unsigned(maximumPages)];
  return Uint8Array.from([
    ...header,
    ...section(1, many(types)),
    ...section(2, many([memory])),
    ...section(3, many(functions.map((_, index) => unsigned(index)))),
    ...section(7, many(functions.map(({ name }, index) => [...text(name), 0, ...unsigned(index)]))),
    ...section(10, many(bodies)),
  ]);
}
