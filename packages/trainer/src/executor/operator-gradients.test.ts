/** Every operator's gradient against central differences of its definition in float64; the table is complete by its type. */
import { createRandom } from '@gantry/kit';
import {
  elementsOf,
  GraphBuilder,
  Tape,
  type Dialect,
  type OperatorName,
  type Value,
} from '@gantry/training/autodiff';
import { describe, expect, it } from 'vitest';
import { createExecutor, type BoundTensor } from './executor.ts';
import { probeDialect } from './probe-dialect.ts';
import { denseCases, withBias } from './testing/dense-cases.ts';
import { expertCases } from './testing/expert-cases.ts';
import { attentions, headCases } from './testing/head-cases.ts';
import { imageCases } from './testing/image-cases.ts';
import { at, table, type Numbers, type OperatorCase, type OperatorCases } from './testing/operator-case.ts';
import { roundingCases } from './testing/rounding-cases.ts';

const cases: OperatorCases<OperatorName> = {
  ...denseCases,
  ...expertCases,
  ...headCases,
  ...imageCases,
  ...roundingCases,
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
