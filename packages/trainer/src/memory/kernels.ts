/**
 * The passes over flat buffers that a step is made of, four floats at a time, where the buffers lie in one arena.
 * Sums are what JavaScript gives to the bit; AdamW rounds each operation to float32 instead of the last.
 */
import type { AdamWSettings, AdamWStep } from '@gantry/training/optimizer';
import {
  addDoubles,
  assemble,
  copyBytes,
  f32x4,
  f64x2,
  get,
  highHalf,
  isBelow,
  load,
  set,
  step,
  store,
  whileLoop,
  type WasmSource,
} from './assemble.ts';
import { wasmPageLimit, webAssembly, type WasmFunction, type WasmMemory } from './web-assembly.ts';

/** All lengths are of bytes and whole numbers of this. */
export const vectorBytes = 16;
const unrolledBytes = 4 * vectorBytes;

const eachVector = [0, 16, 32, 48] as const;

/** (target, source, end of target), whole 64 bytes. */
const add: WasmSource = {
  name: 'add',
  parameters: ['i32', 'i32', 'i32'],
  locals: [],
  result: undefined,
  body: whileLoop(isBelow(get(0), get(2)), [
    ...eachVector.flatMap((at) => store(get(0), f32x4.add(load(get(0), at), load(get(1), at)), at)),
    ...step(0, unrolledBytes),
    ...step(1, unrolledBytes),
  ]),
};

/** Buffers that are summed in one pass; for more of them there is no kernel. */
export const mostSummed = 8;

/** (one address for each of `count` buffers, end of the first), whole 64 bytes: each becomes the sum of all, added up in order. */
const sumOf = (count: number): WasmSource => {
  const buffers = Array.from({ length: count }, (_, buffer) => buffer);
  const sum = count + 1;
  return {
    name: `sum${count}`,
    parameters: Array.from({ length: count + 1 }, () => 'i32' as const),
    locals: ['v128'],
    result: undefined,
    body: whileLoop(isBelow(get(0), get(count)), [
      ...eachVector.flatMap((at) => [
        ...set(sum, load(get(0), at)),
        ...buffers.slice(1).flatMap((buffer) => set(sum, f32x4.add(get(sum), load(get(buffer), at)))),
        ...buffers.flatMap((buffer) => store(get(buffer), get(sum), at)),
      ]),
      ...buffers.flatMap((buffer) => step(buffer, unrolledBytes)),
    ]),
  };
};
const sums = Array.from({ length: mostSummed - 1 }, (_, index) => sumOf(index + 2));

/** (target, source, bytes). */
const copy: WasmSource = {
  name: 'copy',
  parameters: ['i32', 'i32', 'i32'],
  locals: [],
  result: undefined,
  body: copyBytes(get(0), get(1), get(2)),
};

/** (from, to): the sum of squares, in float64. */
const squaredNorm: WasmSource = {
  name: 'squaredNorm',
  parameters: ['i32', 'i32'],
  locals: ['v128', 'v128', 'v128'],
  result: 'f64',
  body: [
    ...whileLoop(isBelow(get(0), get(1)), [
      ...set(2, f64x2.fromLow(load(get(0)))),
      ...set(3, f64x2.fromLow(highHalf(load(get(0))))),
      ...set(4, f64x2.add(f64x2.add(get(4), f64x2.multiply(get(2), get(2))), f64x2.multiply(get(3), get(3)))),
      ...step(0, vectorBytes),
    ]),
    ...addDoubles(f64x2.lane(get(4), 0), f64x2.lane(get(4), 1)),
  ],
};

/** (parameters, gradients, first, second, end of parameters; then nine factors, see `adamW` below). */
const adamW: WasmSource = (() => {
  const factors = 9;
  const splat = 5 + factors;
  const factor = (index: number): readonly number[] => get(splat + index);
  const [scale, beta1, rest1, beta2, rest2, keep, rate, correction, epsilon] = Array.from(
    { length: factors },
    (_, index) => factor(index),
  ) as [number[], number[], number[], number[], number[], number[], number[], number[], number[]];
  const g = splat + factors;
  const m = g + 1;
  const v = g + 2;
  const { add: plus, subtract, multiply, divide, sqrt } = f32x4;
  return {
    name: 'adamW',
    parameters: ['i32', 'i32', 'i32', 'i32', 'i32', ...Array.from({ length: factors }, () => 'f32' as const)],
    locals: Array.from({ length: factors + 3 }, () => 'v128' as const),
    result: undefined,
    body: [
      ...Array.from({ length: factors }, (_, index) =>
        set(splat + index, f32x4.splat(get(5 + index))),
      ).flat(),
      ...whileLoop(isBelow(get(0), get(4)), [
        ...set(g, multiply(load(get(1)), scale)),
        ...set(m, plus(multiply(beta1, load(get(2))), multiply(rest1, get(g)))),
        ...set(v, plus(multiply(beta2, load(get(3))), multiply(multiply(rest2, get(g)), get(g)))),
        ...store(get(2), get(m)),
        ...store(get(3), get(v)),
        ...store(
          get(0),
          subtract(
            multiply(load(get(0)), keep),
            divide(multiply(rate, get(m)), plus(multiply(sqrt(get(v)), correction), epsilon)),
          ),
        ),
        ...[0, 1, 2, 3].flatMap((pointer) => step(pointer, vectorBytes)),
      ]),
    ],
  };
})();

let assembled: object | undefined;

/** The kernels over one memory; addresses are byte offsets in it. */
export interface Kernels {
  /** Adds `bytes` (whole 64) of floats at `source` to those at `target`. */
  add(target: number, source: number, bytes: number): void;
  /** `bytes` (whole 64) at each of two to `mostSummed` places become the sum of all. */
  sum(places: readonly number[], bytes: number): void;
  copy(target: number, source: number, bytes: number): void;
  /** `bytes` are whole vectors. */
  squaredNorm(from: number, bytes: number): number;
  /** As `adamWUpdate` of `@gantry/training/optimizer`, on `bytes` in whole vectors. */
  adamW(
    at: {
      readonly parameters: number;
      readonly gradients: number;
      readonly first: number;
      readonly second: number;
    },
    bytes: number,
    decays: boolean,
    settings: AdamWSettings,
    step: AdamWStep,
  ): void;
}

export function createKernels(memory: WasmMemory): Kernels {
  assembled ??= new webAssembly.Module(assemble([add, ...sums, copy, squaredNorm, adamW], wasmPageLimit));
  const { exports } = new webAssembly.Instance(assembled, { host: { memory } });
  const call = (name: string): WasmFunction => exports[name] as WasmFunction;
  const [runAdd, runCopy, runNorm, runAdamW] = [
    call('add'),
    call('copy'),
    call('squaredNorm'),
    call('adamW'),
  ];
  return {
    add: (target, source, bytes) => {
      runAdd(target, source, target + bytes);
    },
    sum: (places, bytes) => {
      call(`sum${places.length}`)(...places, (places[0] as number) + bytes);
    },
    copy: (target, source, bytes) => {
      runCopy(target, source, bytes);
    },
    squaredNorm: (from, bytes) => runNorm(from, from + bytes),
    adamW: (at, bytes, decays, { beta1, beta2, epsilon, weightDecay }, now) => {
      const { parameters, gradients, first, second } = at;
      const rate = now.learningRate / (1 - beta1 ** now.step);
      const correction = 1 / Math.sqrt(1 - beta2 ** now.step);
      const keep = decays ? 1 - now.learningRate * weightDecay : 1;
      runAdamW(
        parameters,
        gradients,
        first,
        second,
        parameters + bytes,
        now.gradientScale,
        beta1,
        1 - beta1,
        beta2,
        1 - beta2,
        keep,
        rate,
        correction,
        epsilon,
      );
    },
  };
}
