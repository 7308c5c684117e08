/** Every operator's gradient against central differences of its definition in float64; the table is complete by its type. */
import { createRandom } from '@gantry/kit';
import {
  alibiSlopes,
  distanceBucket,
  elementsOf,
  GraphBuilder,
  Tape,
  type Dialect,
  type OperatorAttributes,
  type OperatorName,
  type Value,
} from '@gantry/training/autodiff';
import { describe, expect, it } from 'vitest';
import { createExecutor, type BoundTensor } from './executor.ts';
import { probeDialect } from './probe-dialect.ts';

type Numbers = readonly number[];
type Shapes = readonly (readonly number[])[];

interface OperatorCase<Name extends OperatorName> {
  readonly attributes: OperatorAttributes[Name];
  readonly shapes: Shapes;
  readonly output: readonly number[];
  /** Inputs that are whole numbers below this, and have no gradient. */
  readonly choices?: Readonly<Record<number, number>>;
  /** Inputs without a gradient. */
  readonly fixed?: readonly number[];
  /** Inputs that are these whole numbers, and have no gradient. */
  readonly given?: Readonly<Record<number, Numbers>>;
  /** A number more whose gradient the operator adds. */
  readonly also?: (inputs: readonly Numbers[]) => number;
  /** The definition. */
  readonly define: (inputs: readonly Numbers[]) => Numbers;
}

const sum = (count: number, term: (index: number) => number): number => {
  let total = 0;
  for (let index = 0; index < count; index += 1) total += term(index);
  return total;
};
const table = (count: number, value: (index: number) => number): number[] =>
  Array.from({ length: count }, (_, index) => value(index));
const at = (values: Numbers | undefined, index: number): number => values?.[index] as number;

const [rows, inner, columns] = [32, 16, 48] as const;
const [batch, heads, kvHeads, time, width] = [2, 4, 2, 8, 8] as const;
const headsShape = [batch, heads, time, width] as const;
const epsilon = 1e-5;
const theta = 10_000;

/** Place of (b, h, t, w) in [batch · time, heads · width]. */
const flatPlace = (index: number): number => {
  const w = index % width;
  const t = Math.floor(index / width) % time;
  const h = Math.floor(index / (width * time)) % heads;
  const b = Math.floor(index / (width * time * heads));
  return (b * time + t) * heads * width + h * width + w;
};
const headElements = elementsOf(headsShape);
const headAttributes = { batch, heads, isOrdered: false };

/** Four tokens, two choices each of three experts; six places, the number 6 (or token 4, choice 8) for none. */
const chosen = [0, 2, 1, 0, 2, 1, 0, 1];
const places = [0, 4, 2, 1, 5, 6, 6, 3];
const tokenAt = [0, 1, 1, 3, 0, 2];
const choiceAt = [0, 3, 2, 7, 1, 4];

const [images, channels, outputs, high, wide] = [3, 2, 4, 6, 5] as const;
const imageShape = [images, channels, high, wide] as const;
/** Where an element lies in [images, channels, height, width]. */
const placeIn = (index: number, channelCount: number, height: number, across: number) => ({
  image: Math.floor(index / (across * height * channelCount)),
  channel: Math.floor(index / (across * height)) % channelCount,
  row: Math.floor(index / across) % height,
  column: index % across,
});

type Attention = OperatorAttributes['attention'];
const usualAttention: Attention = {
  block: undefined,
  recomputeFrom: 1024,
  isCausal: true,
  slopes: undefined,
  maxDistance: 6,
};
const attentionShapes: Shapes = [headsShape, [batch, kvHeads, time, width], [batch, kvHeads, time, width]];
const buckets = 8;

function attend(
  [q, k, v, ranges]: readonly Numbers[],
  { isCausal, slopes, maxDistance }: Attention,
): Numbers {
  return table(headElements, (index) => {
    const w = index % width;
    const t = Math.floor(index / width) % time;
    const h = Math.floor(index / (width * time)) % heads;
    const b = Math.floor(index / (width * time * heads));
    const from = (b * kvHeads + Math.floor((h * kvHeads) / heads)) * time * width;
    const seen = isCausal ? t + 1 : time;
    const scores = table(seen, (key) => {
      const product = sum(width, (c) => at(q, index - w + c) * at(k, from + key * width + c));
      const range = distanceBucket(t - key, buckets, { isCausal, maxDistance });
      const learned = ranges === undefined ? 0 : at(ranges, range * heads + h);
      return Math.exp(product / Math.sqrt(width) - (slopes?.[h] ?? 0) * Math.abs(t - key) + learned);
    });
    const all = sum(seen, (key) => at(scores, key));
    return sum(seen, (key) => (at(scores, key) / all) * at(v, from + key * width + w));
  });
}

function attentionCase(changed: Partial<Attention>, hasRanges = false): OperatorCase<'attention'> {
  const attributes = { ...usualAttention, ...changed };
  return {
    attributes,
    shapes: hasRanges ? [...attentionShapes, [buckets, heads]] : attentionShapes,
    output: headsShape,
    define: (inputs) => attend(inputs, attributes),
  };
}

const cases: { readonly [Name in OperatorName]: OperatorCase<Name> } = {
  linear: {
    attributes: {},
    shapes: [
      [rows, inner],
      [inner, columns],
    ],
    output: [rows, columns],
    define: ([x, w]) =>
      table(rows * columns, (index) =>
        sum(
          inner,
          (k) => at(x, Math.floor(index / columns) * inner + k) * at(w, k * columns + (index % columns)),
        ),
      ),
  },
  linearTransposed: {
    attributes: {},
    shapes: [
      [rows, inner],
      [columns, inner],
    ],
    output: [rows, columns],
    define: ([x, w]) =>
      table(rows * columns, (index) =>
        sum(
          inner,
          (k) => at(x, Math.floor(index / columns) * inner + k) * at(w, (index % columns) * inner + k),
        ),
      ),
  },
  rmsNorm: {
    attributes: { epsilon },
    shapes: [[rows, columns], [columns]],
    output: [rows, columns],
    define: ([x, w]) =>
      table(rows * columns, (index) => {
        const first = index - (index % columns);
        const mean = sum(columns, (k) => at(x, first + k) ** 2) / columns;
        return (at(x, index) / Math.sqrt(mean + epsilon)) * at(w, index % columns);
      }),
  },
  layerNorm: {
    attributes: { epsilon },
    shapes: [[rows, columns], [columns], [columns]],
    output: [rows, columns],
    define: ([x, w, b]) =>
      table(rows * columns, (index) => {
        const first = index - (index % columns);
        const mean = sum(columns, (k) => at(x, first + k)) / columns;
        const variance = sum(columns, (k) => (at(x, first + k) - mean) ** 2) / columns;
        const normal = (at(x, index) - mean) / Math.sqrt(variance + epsilon);
        return normal * at(w, index % columns) + at(b, index % columns);
      }),
  },
  addRows: {
    attributes: {},
    shapes: [
      [rows, columns],
      [rows / 4, columns],
    ],
    output: [rows, columns],
    define: ([x, r]) =>
      table(rows * columns, (index) => at(x, index) + at(r, index % ((rows / 4) * columns))),
  },
  sliceRows: {
    attributes: { from: 3, to: 8 },
    shapes: [[rows, columns]],
    output: [5, columns],
    define: ([x]) => table(5 * columns, (index) => at(x, 3 * columns + index)),
  },
  joinRows: {
    attributes: {},
    shapes: [
      [2, columns],
      [3, columns],
    ],
    output: [5, columns],
    define: ([x, y]) => [...(x ?? []), ...(y ?? [])],
  },
  dispatch: {
    attributes: {},
    shapes: [[4, columns], [6], [4, 2]],
    output: [6, columns],
    given: { 1: tokenAt, 2: places },
    define: ([x]) =>
      table(6 * columns, (index) => {
        const token = tokenAt[Math.floor(index / columns)] as number;
        return token === 4 ? 0 : at(x, token * columns + (index % columns));
      }),
  },
  combine: {
    attributes: {},
    shapes: [[6, columns], [4, 2], [4, 2], [6], [6]],
    output: [4, columns],
    given: { 2: places, 3: tokenAt, 4: choiceAt },
    define: ([y, weight]) =>
      table(4 * columns, (index) => {
        const token = Math.floor(index / columns);
        return sum(2, (choice) => {
          const place = places[token * 2 + choice] as number;
          return place === 6
            ? 0
            : at(weight, token * 2 + choice) * at(y, place * columns + (index % columns));
        });
      }),
  },
  gates: {
    attributes: {},
    shapes: [
      [4, 3],
      [4, 2],
    ],
    output: [4, 2],
    given: { 1: chosen },
    define: ([logits]) =>
      table(8, (index) => {
        const token = Math.floor(index / 2);
        const of = (choice: number): number =>
          Math.exp(at(logits, token * 3 + at(chosen, token * 2 + choice)));
        return of(index % 2) / (of(0) + of(1));
      }),
  },
  balance: {
    attributes: { sequences: 2, factor: 0.7 },
    shapes: [[4, 3], [4, 2], [4]],
    output: [4, 3],
    given: { 1: chosen },
    fixed: [2],
    define: ([logits]) => [...(logits ?? [])],
    // For each sequence of two tokens, its weight · factor · E · Σ f · P.
    also: ([logits, , weights]) =>
      sum(2, (sequence) => {
        const tokens = [2 * sequence, 2 * sequence + 1];
        const weight = tokens.reduce((total, token) => total + at(weights, token), 0);
        return sum(3, (expert) => {
          const got = tokens.flatMap((token) => [0, 1].map((choice) => at(chosen, token * 2 + choice)));
          const share = got.filter((one) => one === expert).length / 4;
          const mean = tokens.reduce((total, token) => {
            const all = sum(3, (other) => Math.exp(at(logits, token * 3 + other)));
            return total + Math.exp(at(logits, token * 3 + expert)) / all / 2;
          }, 0);
          return weight * 0.7 * 3 * share * mean;
        });
      }),
  },
  gelu: {
    attributes: {},
    shapes: [[rows, columns]],
    output: [rows, columns],
    define: ([x]) =>
      table(rows * columns, (index) => {
        const value = at(x, index);
        return (value / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (value + 0.044715 * value ** 3)));
      }),
  },
  relu: {
    attributes: {},
    shapes: [[rows, columns]],
    output: [rows, columns],
    define: ([x]) => table(rows * columns, (index) => Math.max(0, at(x, index))),
  },
  convolution: {
    attributes: {},
    shapes: [imageShape, [outputs, channels, 3, 3], [1, outputs]],
    output: [images, outputs, high, wide],
    define: ([x, w, b]) =>
      table(images * outputs * high * wide, (index) => {
        const { image, channel, row, column } = placeIn(index, outputs, high, wide);
        const seen = sum(channels * 9, (k) => {
          const { channel: from, row: down, column: right } = placeIn(k, channels, 3, 3);
          const [y, z] = [row + down - 1, column + right - 1];
          if (y < 0 || z < 0 || y >= high || z >= wide) return 0;
          return at(x, ((image * channels + from) * high + y) * wide + z) * at(w, channel * channels * 9 + k);
        });
        return seen + at(b, channel);
      }),
  },
  averagePool: {
    attributes: {},
    shapes: [imageShape],
    output: [images, channels, high / 2, (wide - 1) / 2],
    define: ([x]) =>
      table((images * channels * high * (wide - 1)) / 4, (index) => {
        const { image, channel, row, column } = placeIn(index, channels, high / 2, (wide - 1) / 2);
        const first = ((image * channels + channel) * high + 2 * row) * wide + 2 * column;
        return (at(x, first) + at(x, first + 1) + at(x, first + wide) + at(x, first + wide + 1)) / 4;
      }),
  },
  channelMeans: {
    attributes: {},
    shapes: [imageShape],
    output: [images, channels],
    define: ([x]) =>
      table(
        images * channels,
        (index) => sum(high * wide, (k) => at(x, index * high * wide + k)) / (high * wide),
      ),
  },
  add: {
    attributes: {},
    shapes: [
      [rows, columns],
      [rows, columns],
    ],
    output: [rows, columns],
    define: ([left, right]) => table(rows * columns, (index) => at(left, index) + at(right, index)),
  },
  swiGlu: {
    attributes: {},
    shapes: [
      [rows, columns],
      [rows, columns],
    ],
    output: [rows, columns],
    define: ([gate, up]) =>
      table(rows * columns, (index) => (at(gate, index) / (1 + Math.exp(-at(gate, index)))) * at(up, index)),
  },
  splitHeads: {
    attributes: headAttributes,
    shapes: [[batch * time, heads * width]],
    output: headsShape,
    define: ([x]) => table(headElements, (index) => at(x, flatPlace(index))),
  },
  mergeHeads: {
    attributes: headAttributes,
    shapes: [headsShape],
    output: [batch * time, heads * width],
    define: ([x]) => {
      const merged = table(headElements, () => 0);
      for (let index = 0; index < headElements; index += 1) merged[flatPlace(index)] = at(x, index);
      return merged;
    },
  },
  rotary: {
    attributes: { theta },
    shapes: [headsShape],
    output: headsShape,
    define: ([x]) =>
      table(headElements, (index) => {
        const w = index % width;
        const half = width / 2;
        const t = Math.floor(index / width) % time;
        const angle = t / theta ** ((w % half) / half);
        const other = w < half ? -at(x, index + half) : at(x, index - half);
        return at(x, index) * Math.cos(angle) + other * Math.sin(angle);
      }),
  },
  attention: {
    attributes: usualAttention,
    shapes: attentionShapes,
    output: headsShape,
    define: (inputs) => attend(inputs, usualAttention),
  },
  // Rounding to a narrow type has no slope of its own: as a definition it is the identity, to 2⁻⁸.
  round: {
    attributes: { to: 'bf16' },
    shapes: [[rows, columns]],
    output: [rows, columns],
    define: ([x]) => [...(x ?? [])],
  },
  // The same: straight through, to half a step of 127 and the rounding of its scale.
  roundBlocks: {
    attributes: { format: 'q8_0', axis: 1 },
    shapes: [[rows, 64]],
    output: [rows, 64],
    define: ([x]) => [...(x ?? [])],
  },
  roundChannels: {
    attributes: { axis: 1 },
    shapes: [[rows, columns]],
    output: [rows, columns],
    define: ([x]) => [...(x ?? [])],
  },
  // To half a step of 255 over both signs.
  roundRange: {
    attributes: {},
    shapes: [[rows, columns]],
    output: [rows, columns],
    define: ([x]) => [...(x ?? [])],
  },
  crossEntropy: {
    attributes: {},
    shapes: [[rows, columns], [rows], [rows]],
    output: [],
    choices: { 1: columns },
    fixed: [2],
    define: ([logits, targets, weights]) => [
      sum(rows, (row) => {
        const all = Math.log(sum(columns, (k) => Math.exp(at(logits, row * columns + k))));
        return at(weights, row) * (all - at(logits, row * columns + at(targets, row)));
      }),
    ],
  },
};

function withBias<Name extends 'linear' | 'linearTransposed'>(name: Name): OperatorCase<Name> {
  const plain = cases[name];
  const biasScale = 0.5;
  return {
    ...plain,
    attributes: { biasScale },
    shapes: [...plain.shapes, [1, columns]],
    define: ([x, w, b]) =>
      plain.define([x as Numbers, w as Numbers]).map((y, index) => y + biasScale * at(b, index % columns)),
  };
}

const slopes = alibiSlopes(heads);
const attentions: Readonly<Record<string, OperatorCase<'attention'>>> = {
  'attention in uneven blocks, weights made again': attentionCase({ block: 3, recomputeFrom: 1 }),
  'attention in uneven blocks, weights kept': attentionCase({ block: 3 }),
  'attention that sees all': attentionCase({ isCausal: false }),
  'attention that sees all, in blocks': attentionCase({ isCausal: false, block: 3, recomputeFrom: 1 }),
  'attention with slopes': attentionCase({ slopes, block: 3 }),
  'attention with slopes both ways': attentionCase({ slopes, isCausal: false }),
  'attention with ranges of distance': attentionCase({}, true),
  'attention with ranges of distance, in blocks': attentionCase({ block: 3, recomputeFrom: 1 }, true),
  'attention with ranges of distance both ways': attentionCase({ isCausal: false, block: 3 }, true),
};

/** Of the largest gradient of an input. */
const tolerances: Partial<Record<OperatorName, number>> = {
  round: 2 ** -7,
  roundBlocks: 1 / 240,
  roundChannels: 1 / 240,
  roundRange: 1 / 120,
};
const usual = 3e-6;

async function check<Name extends OperatorName>(
  name: Name,
  dialect: Dialect,
  example: OperatorCase<Name> = cases[name],
): Promise<void> {
  const { attributes, shapes, output, choices = {}, fixed = [], given = {}, define, also } = example;
  const isWhole = (index: number): boolean => choices[index] !== undefined || given[index] !== undefined;
  const random = createRandom(7);
  const numbers = shapes.map(
    (shape, index) =>
      given[index] ??
      table(elementsOf(shape), () => {
        const below = choices[index];
        return below === undefined ? Math.fround(random.next() * 2 - 1) : random.below(below);
      }),
  );
  const graph = new GraphBuilder();
  const tape = new Tape(graph, dialect);
  const inputs = shapes.map((shape, index) =>
    graph.input(`in${index}`, shape, isWhole(index) ? 'int64' : 'float32'),
  );
  const result = tape.apply(name, inputs, attributes);
  const seed = graph.input('seed', output);
  const wanted = inputs.filter((_, index) => !isWhole(index) && !fixed.includes(index));
  // A gradient may be the seed itself, and an output must come from a node.
  const gradients = tape.pullback(result, graph.add(seed, graph.scalar(0)), wanted);
  const seeds = table(elementsOf(output), () => Math.fround(random.next() * 2 - 1));
  const bound = (value: Value, values: Numbers): [string, BoundTensor] => [
    value.name,
    {
      shape: value.shape,
      data: value.type === 'int64' ? BigInt64Array.from(values, BigInt) : Float32Array.from(values),
    },
  ];
  const rowsOfResult = tape.rows(result);
  const outputs = new Map(
    [rowsOfResult, ...gradients].map((value) =>
      bound(
        value,
        table(elementsOf(value.shape), () => 0),
      ),
    ),
  );
  const found = ({ name: output }: Value): number[] => [...(outputs.get(output)?.data ?? [])].map(Number);
  await using executor = await createExecutor({
    model: (prefix) => graph.model(name, [rowsOfResult, ...new Set(gradients)], prefix),
    inputs: new Map([
      ...inputs.map((value, index) => bound(value, numbers[index] as number[])),
      bound(seed, seeds),
    ]),
    outputs,
  });
  await executor.run();

  const tolerance = tolerances[name] ?? usual;
  expectClose(found(rowsOfResult), define(numbers), tolerance, 'forward');
  for (const [place, value] of wanted.entries()) {
    const index = inputs.indexOf(value);
    const input = numbers[index] as number[];
    const data = found(gradients[place] as Value);
    // Some elements of each input; a step of 1e-5 in float64 leaves an error of 1e-9.
    const picked = table(Math.min(20, input.length), (count) => (count * 37) % input.length);
    const slopes = picked.map((element) => {
      const along = (step: number): number => {
        const moved = numbers.map((values, which) =>
          which === index ? values.map((x, k) => (k === element ? x + step : x)) : values,
        );
        return define(moved).reduce((total, y, k) => total + y * at(seeds, k), also?.(moved) ?? 0);
      };
      return (along(1e-5) - along(-1e-5)) / 2e-5;
    });
    const largest = Math.max(...data.map(Math.abs));
    for (const [which, element] of picked.entries()) {
      const difference = Math.abs(at(data, element) - at(slopes, which));
      expect(difference, `input ${index}, element ${element}`).toBeLessThan(tolerance * largest);
    }
  }
}

function expectClose(actual: Numbers, wanted: Numbers, tolerance: number, what: string): void {
  const largest = Math.max(...wanted.map(Math.abs));
  for (const [index, value] of wanted.entries())
    expect(Math.abs(at(actual, index) - value), `${what}, element ${index}`).toBeLessThan(
      tolerance * largest,
    );
}

describe('the gradient of', async () => {
  const dialects: Dialect[] = (await probeDialect()) === 'blocked' ? ['portable', 'blocked'] : ['portable'];
  for (const [name, example] of Object.entries(attentions))
    it(`${name} is that of its definition`, () => check('attention', 'portable', example));
  for (const dialect of dialects)
    for (const name of ['linear', 'linearTransposed'] as const)
      it(`${name} with a bias is that of its definition, ${dialect}`, () =>
        check(name, dialect, withBias(name)));
  for (const dialect of dialects)
    for (const name of Object.keys(cases) as OperatorName[])
      it(`${name} is that of its definition in float64, ${dialect} (${tolerances[name] ?? usual} of the largest)`, () =>
        check(name, dialect));
});
