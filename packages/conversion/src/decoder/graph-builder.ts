/** An ONNX graph under construction: each operator answers the name of what it gives. */
import type { OnnxNode, OnnxTensor } from '@gantry/formats/onnx';
import type { Held, Linear, Norm } from './decoder-form.ts';

export class GraphBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly constants = new Map<string, OnnxTensor>();

  add(
    operator: string,
    inputs: readonly string[],
    attributes: OnnxNode['attributes'] = {},
    output = `${operator}:${this.nodes.length}`,
  ): string {
    this.nodes.push({ operator, domain: '', inputs, outputs: [output], attributes });
    return output;
  }

  /** Two outputs: the halves of a Split, or values and places of a TopK. */
  pair(
    operator: string,
    inputs: readonly string[],
    attributes: OnnxNode['attributes'],
  ): readonly [string, string] {
    const outputs = [0, 1].map((at) => `${operator}:${this.nodes.length}:${at}`) as [string, string];
    this.nodes.push({ operator, domain: '', inputs, outputs, attributes });
    return outputs;
  }

  constant(name: string, shape: readonly number[], data: Float32Array | BigInt64Array): string {
    if (!this.constants.has(name)) this.constants.set(name, { name, shape, data });
    return name;
  }

  hold({ name, shape, data, strips }: Held): string {
    const bytes = 4 * shape.reduce((product, size) => product * size, 1);
    const late = { bytes, make: data, ...(strips === undefined ? {} : { strips }) };
    if (!this.constants.has(name)) this.constants.set(name, { name, shape, data: late });
    return name;
  }

  number(value: number): string {
    return this.constant(`number:${value}`, [], Float32Array.of(value));
  }

  sizes(...values: readonly number[]): string {
    return this.constant(`sizes:${values.join()}`, [values.length], BigInt64Array.from(values, BigInt));
  }

  sizeOf(tensor: string, axis: number): string {
    return this.add('Slice', [this.add('Shape', [tensor]), this.sizes(axis), this.sizes(axis + 1)]);
  }

  linear(input: string, { matrix, bias }: Linear): string {
    const product = this.add('MatMul', [input, this.hold(matrix)]);
    return bias === undefined ? product : this.add('Add', [product, this.hold(bias)]);
  }

  norm(input: string, { scale, shift }: Norm, epsilon: number): string {
    if (shift !== undefined)
      return this.add('LayerNormalization', [input, this.hold(scale), this.hold(shift)], {
        axis: { int: -1 },
        epsilon: { float: epsilon },
      });
    const squares = this.add('Mul', [input, input]);
    const mean = this.add('ReduceMean', [squares], { axes: { ints: [-1] }, keepdims: { int: 1 } });
    const root = this.add('Sqrt', [this.add('Add', [mean, this.number(epsilon)])]);
    return this.add('Mul', [this.add('Div', [input, root]), this.hold(scale)]);
  }
}
