/** Small ONNX models whose answers are known, made by our own writer. */
import { encodeOnnxModel, type OnnxModel, type OnnxNode, type OnnxTensor } from '@gantry/formats/onnx';
import { createRandom } from '@gantry/kit';

const opsets = { '': 17 };
const node = (
  operator: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: OnnxNode['attributes'] = {},
): OnnxNode => ({ operator, domain: '', inputs, outputs, attributes });

export interface SumModelOptions {
  /** A name: each run chooses. Default: both free. */
  readonly rows?: number | string;
  readonly columns?: number | string;
}

/** `y[row] = 2 · (x[row, 0] + x[row, 1] + …)`, and `x` itself as `echo`. */
export function sumModel({ rows = 'rows', columns = 'columns' }: SumModelOptions = {}): Uint8Array {
  return encodeOnnxModel({
    name: 'sum',
    opsets,
    nodes: [
      node('ReduceSum', ['x', 'axis'], ['sum'], { keepdims: { int: 0 } }),
      node('Add', ['sum', 'sum'], ['y']),
      node('Identity', ['x'], ['echo']),
    ],
    initializers: [{ name: 'axis', shape: [1], data: BigInt64Array.of(1n) }],
    inputs: [{ name: 'x', type: 'float32', shape: [rows, columns] }],
    outputs: [
      { name: 'y', type: 'float32', shape: [rows] },
      { name: 'echo', type: 'float32', shape: [rows, columns] },
    ],
  });
}

/** y = x·W whose W lies in `location`, float32, `offset` bytes from its beginning. */
export function beside(rows: number, columns: number, location: string, offset: number): Uint8Array {
  const data = { type: 'float32', location, offset, bytes: rows * columns * 4 } as const;
  return encodeOnnxModel({
    name: 'beside',
    opsets,
    nodes: [node('MatMul', ['x', 'w'], ['y'])],
    initializers: [{ name: 'w', shape: [rows, columns], data }],
    inputs: [{ name: 'x', type: 'float32', shape: ['rows', rows] }],
    outputs: [{ name: 'y', type: 'float32', shape: ['rows', columns] }],
  });
}

/**
 * A perceptron of these layer widths with fixed random weights: `x[rows, first] → y[rows, last]`, or with `tokens`,
 * `x[rows, tokens, first] → y[rows, tokens, last]`, as the dense layers of an encoder are.
 */
export function perceptron(widths: readonly number[], { seed = 1, tokens = 0 } = {}): Uint8Array {
  const rows = tokens === 0 ? ['rows'] : ['rows', tokens];
  const random = createRandom(seed);
  const nodes: OnnxNode[] = [];
  const initializers: OnnxTensor[] = [];
  let name = 'x';
  for (let layer = 0; layer + 1 < widths.length; layer++) {
    const [from, to] = [widths[layer] as number, widths[layer + 1] as number];
    const scale = 1 / Math.sqrt(from);
    const data = Float32Array.from({ length: from * to }, () => (random.next() * 2 - 1) * scale);
    initializers.push({ name: `w${layer}`, shape: [from, to], data });
    const isLast = layer + 2 === widths.length;
    nodes.push(node('MatMul', [name, `w${layer}`], [isLast ? 'y' : `m${layer}`]));
    if (!isLast) nodes.push(node('Relu', [`m${layer}`], [`h${layer}`]));
    name = `h${layer}`;
  }
  const model: OnnxModel = {
    name: 'perceptron',
    opsets,
    nodes,
    initializers,
    inputs: [{ name: 'x', type: 'float32', shape: [...rows, widths[0] as number] }],
    outputs: [{ name: 'y', type: 'float32', shape: [...rows, widths.at(-1) as number] }],
  };
  return encodeOnnxModel(model);
}

/** A model with a memory: `total = x + before`, and `total` is `before` next time. */
export function runningTotal(): Uint8Array {
  const shape = ['rows', 1];
  return encodeOnnxModel({
    name: 'total',
    opsets,
    nodes: [node('Add', ['x', 'before'], ['total']), node('Identity', ['total'], ['after'])],
    initializers: [],
    inputs: ['x', 'before'].map((name) => ({ name, type: 'float32', shape })),
    outputs: ['total', 'after'].map((name) => ({ name, type: 'float32', shape })),
  });
}
