/**
 * Reverse-mode differentiation: `apply` emits an operator's forward nodes and remembers it; `gradients`
 * walks back and emits each operator's rule. Gradients that meet in one value are added.
 */
import type { GraphBuilder, Value } from './graph.ts';
import { operators, type OperatorAttributes, type OperatorName, type OperatorRule } from './operators.ts';

interface Recorded {
  readonly output: Value;
  readonly inputs: readonly Value[];
  readonly backward: (gradient: Value) => readonly (Value | undefined)[];
}

export class Tape {
  readonly graph: GraphBuilder;
  readonly #records: Recorded[] = [];

  constructor(graph: GraphBuilder) {
    this.graph = graph;
  }

  apply<Name extends OperatorName>(
    name: Name,
    inputs: readonly Value[],
    attributes: OperatorAttributes[Name],
  ): Value {
    const rule: OperatorRule<OperatorAttributes[Name]> = operators[name];
    const { output, saved } = rule.forward(this.graph, inputs, attributes);
    this.#records.push({
      output,
      inputs,
      backward: (gradient) => rule.backward(this.graph, { inputs, output, saved, attributes, gradient }),
    });
    return output;
  }

  /** d(loss)/d(each of `wanted`). A value the loss does not depend on is an error: it could never learn. */
  gradients(loss: Value, wanted: readonly Value[]): Value[] {
    const gradientOf = new Map<string, Value>([[loss.name, this.graph.scalar(1)]]);
    for (const record of this.#records.toReversed()) {
      const gradient = gradientOf.get(record.output.name);
      if (gradient === undefined) continue;
      for (const [index, part] of record.backward(gradient).entries()) {
        const input = record.inputs[index];
        if (input === undefined || part === undefined) continue;
        const known = gradientOf.get(input.name);
        gradientOf.set(input.name, known === undefined ? part : this.graph.add(known, part));
      }
    }
    return wanted.map((value) => {
      const gradient = gradientOf.get(value.name);
      if (gradient === undefined) throw new Error(`the loss does not depend on ${value.name}`);
      return gradient;
    });
  }
}
