/**
 * Reverse-mode differentiation: `apply` emits an operator's forward nodes and remembers it; `gradients`
 * walks back and emits each operator's rule. Gradients that meet in one value are added.
 */
import { blockFormats, hasWholeBlocks, type BlockFormat } from './block-rounding.ts';
import { blockedOperators } from './blocked-operators.ts';
import type { NarrowFloat } from './float-rounding.ts';
import type { GraphBuilder } from './graph.ts';
import type { Value } from './value.ts';
import type { OperatorRule } from './operator-rule.ts';
import { operators, type OperatorAttributes, type OperatorName, type OperatorTable } from './operators.ts';

/** `portable` runs everywhere; `blocked` needs the executor's probe to have passed. */
export type Dialect = 'portable' | 'blocked';

/**
 * What the large products see. `bf16` and `fp16` round what goes into the large products and what comes out, forward and backward. The rest
 * (norms, softmax, loss, residual stream) and the weights that are updated stay float32 (Micikevicius et al. 2018).
 * The block formats round their weights as an export of that format does, and nothing else.
 */
export type Precision = 'fp32' | NarrowFloat | BlockFormat;

export function isBlockFormat(precision: Precision): precision is BlockFormat {
  return (blockFormats as readonly string[]).includes(precision);
}

const narrowOperators: readonly OperatorName[] = ['linear', 'linearTransposed'];

interface Recorded {
  readonly output: Value;
  readonly inputs: readonly Value[];
  readonly backward: (gradient: Value) => readonly (Value | undefined)[];
}

export class Tape {
  readonly graph: GraphBuilder;
  readonly #records: Recorded[] = [];

  readonly #table: OperatorTable;
  readonly #rows: (value: Value) => Value;
  readonly #precision: Precision;
  readonly #rounded = new Map<string, Value>();

  constructor(graph: GraphBuilder, dialect: Dialect = 'portable', precision: Precision = 'fp32') {
    this.graph = graph;
    this.#precision = precision;
    const blocked = dialect === 'blocked' ? blockedOperators(graph) : undefined;
    this.#table = blocked?.table ?? operators;
    this.#rows = (value) => blocked?.layouts.rows(value) ?? value;
  }

  apply<Name extends OperatorName>(
    name: Name,
    inputs: readonly Value[],
    attributes: OperatorAttributes[Name],
  ): Value {
    const precision = this.#precision;
    if (precision === 'fp32' || !narrowOperators.includes(name))
      return this.#record(name, inputs, attributes);
    if (isBlockFormat(precision)) {
      const [x, weight, ...rest] = inputs as readonly [Value, Value, ...Value[]];
      const rounded = this.inBlocks(weight, name === 'linear' ? 0 : 1);
      return this.#record(name, [x, rounded, ...rest], attributes);
    }
    const rounded = inputs.map((value) =>
      this.#once(value, () => this.#record('round', [value], { to: precision })),
    );
    return this.#record('round', [this.#record(name, rounded, attributes)], { to: precision });
  }

  /** A matrix as the export will have it: rounded along its inputs where they fill whole blocks. */
  inBlocks(matrix: Value, axis: 0 | 1): Value {
    const format = this.#precision;
    if (!isBlockFormat(format) || !hasWholeBlocks(matrix, axis)) return matrix;
    return this.#once(matrix, () => this.#record('roundBlocks', [matrix], { format, axis }));
  }

  #once(value: Value, round: () => Value): Value {
    const known = this.#rounded.get(value.name) ?? round();
    this.#rounded.set(value.name, known);
    return known;
  }

  #record<Name extends OperatorName>(
    name: Name,
    inputs: readonly Value[],
    attributes: OperatorAttributes[Name],
  ): Value {
    const rule: OperatorRule<OperatorAttributes[Name]> = this.#table[name];
    const laid = (value: Value): Value => (rule.takesBlocked === true ? value : this.#rows(value));
    const given = inputs.map(laid);
    const { output, saved } = rule.forward(this.graph, given, attributes);
    this.#records.push({
      output,
      inputs,
      backward: (gradient) =>
        rule.backward(this.graph, { inputs: given, output, saved, attributes, gradient: laid(gradient) }),
    });
    return output;
  }

  /** d(loss)/d(each of `wanted`). A value the loss does not depend on is an error: it could never learn. */
  gradients(loss: Value, wanted: readonly Value[]): Value[] {
    return this.pullback(loss, this.graph.scalar(1), wanted);
  }

  /** The same from a gradient that comes from elsewhere: what follows `output` lies in another graph. */
  pullback(output: Value, ofOutput: Value, wanted: readonly Value[]): Value[] {
    return this.pullbackAll([[output, ofOutput]], wanted);
  }

  /** Of several outputs, each with the gradient that comes to it. */
  pullbackAll(
    ends: readonly (readonly [output: Value, ofOutput: Value])[],
    wanted: readonly Value[],
  ): Value[] {
    const gradientOf = new Map(ends.map(([output, ofOutput]) => [output.name, ofOutput]));
    for (const record of this.#records.toReversed()) {
      const gradient = gradientOf.get(record.output.name);
      if (gradient === undefined) continue;
      for (const [index, part] of record.backward(gradient).entries()) {
        const input = record.inputs[index];
        if (input === undefined || part === undefined) continue;
        const known = gradientOf.get(input.name);
        gradientOf.set(input.name, known === undefined ? part : this.#sum(known, part));
      }
    }
    return wanted.map((value) => {
      const gradient = gradientOf.get(value.name);
      if (gradient === undefined) throw new Error(`the loss does not depend on ${value.name}`);
      return this.#rows(gradient);
    });
  }

  /** The value row by row, as a graph's output must be. */
  rows(value: Value): Value {
    return this.#rows(value);
  }

  #sum(left: Value, right: Value): Value {
    if (left.isBlocked === right.isBlocked) return this.graph.add(left, right);
    return this.graph.add(this.#rows(left), this.#rows(right));
  }
}
