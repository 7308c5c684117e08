/**
 * An ONNX model whose dense layers multiply 8-bit integers: weights once, by column, activations at run time by the
 * range that each call has (ONNX Runtime's "dynamic" scheme: DynamicQuantizeLinear + MatMulInteger, u8 × s8, which
 * is the fastest pair of types on processors with VNNI). No calibration data is needed.
 */
import { FormatError } from '@gantry/formats';
import {
  editOnnxGraph,
  readOnnxGraph,
  type GraphNode,
  type NewTensor,
  type OnnxNode,
} from '@gantry/formats/onnx';

export interface QuantisedLayer {
  /** The weight's name. */
  readonly name: string;
  /** Root of the mean squared error, relative to the weights' own root mean square. */
  readonly relativeError: number;
}

export interface QuantisedOnnx {
  readonly file: Uint8Array;
  readonly layers: readonly QuantisedLayer[];
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

/** Below this a layer is no faster in integers. */
const smallestWeight = 4_096;
const leastOpset = 11;
/** onnx.TensorProto.FLOAT, for Cast. */
const floatType = 1;

export function quantiseOnnx(file: Uint8Array): QuantisedOnnx {
  const { opset, nodes, tensors } = readOnnxGraph(file);
  if (opset < leastOpset)
    throw new FormatError(
      'format_unsupported',
      `The model is of operator set ${opset}; integer layers need ${leastOpset}.`,
      'Export it again with a newer opset.',
    );
  const weights = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const layers: QuantisedLayer[] = [];
  const newTensors: NewTensor[] = [];
  const written: (GraphNode | OnnxNode)[] = [];
  const quantisedInputs = new Map<string, string>();
  const done = new Map<string, QuantisedWeight>();

  for (const node of nodes) {
    const [input = '', weightName = ''] = node.inputs;
    const weight = weights.get(weightName);
    if (!isDense(node) || weight?.values === undefined || weight.shape.length !== 2) {
      written.push(node);
      continue;
    }
    if (weight.values.length < smallestWeight) {
      written.push(node);
      continue;
    }
    const isTransposed = node.operator === 'Gemm' && node.numbers['transB'] === 1;
    const key = `${weightName}${isTransposed ? ':t' : ''}`;
    let small = done.get(key);
    if (small === undefined) {
      small = quantiseColumns(weight.values, weight.shape as readonly [number, number], isTransposed);
      done.set(key, small);
      layers.push({ name: weightName, relativeError: small.relativeError });
      newTensors.push(
        { name: `${key}:int8`, shape: small.shape, data: small.values },
        { name: `${key}:scale`, shape: [small.shape[1]], data: small.scales },
      );
    }
    if (!quantisedInputs.has(input)) {
      quantisedInputs.set(input, input);
      written.push(
        make('DynamicQuantizeLinear', [input], [`${input}:u8`, `${input}:scale`, `${input}:zero`]),
      );
    }
    written.push(...integerLayer(node, input, key));
  }
  const stillUsed = new Set(written.flatMap(({ inputs }) => inputs));
  const removedTensors = new Set(layers.map(({ name }) => name).filter((name) => !stillUsed.has(name)));
  const made = editOnnxGraph(file, { nodes: written, removedTensors, newTensors });
  return { file: made, layers, bytesBefore: file.byteLength, bytesAfter: made.byteLength };
}

/** A MatMul, or a Gemm that is one with a bias. */
function isDense({ operator, domain, numbers }: GraphNode): boolean {
  if (domain !== '' && domain !== 'ai.onnx') return false;
  if (operator === 'MatMul') return true;
  const { alpha = 1, beta = 1, transA = 0 } = numbers;
  return operator === 'Gemm' && alpha === 1 && beta === 1 && transA === 0;
}

function integerLayer(node: GraphNode, input: string, key: string): OnnxNode[] {
  const [output = ''] = node.outputs;
  const bias = node.operator === 'Gemm' ? node.inputs[2] : undefined;
  const product = bias === undefined || bias === '' ? output : `${output}:product`;
  return [
    make('MatMulInteger', [`${input}:u8`, `${key}:int8`, `${input}:zero`], [`${output}:int32`]),
    make('Cast', [`${output}:int32`], [`${output}:float`], { to: { int: floatType } }),
    make('Mul', [`${input}:scale`, `${key}:scale`], [`${output}:scale`]),
    make('Mul', [`${output}:float`, `${output}:scale`], [product]),
    ...(product === output ? [] : [make('Add', [product, bias ?? ''], [output])]),
  ];
}

const make = (
  operator: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: OnnxNode['attributes'] = {},
): OnnxNode => ({ operator, domain: '', inputs, outputs, attributes });

interface QuantisedWeight {
  readonly values: Int8Array;
  readonly scales: Float32Array;
  /** Rows (inputs), columns (outputs). */
  readonly shape: readonly [number, number];
  readonly relativeError: number;
}

/** Symmetric, a scale for each column: the largest value of a column becomes 127. */
function quantiseColumns(
  weights: Float32Array,
  [first, second]: readonly [number, number],
  isTransposed: boolean,
): QuantisedWeight {
  const [rows, columns] = isTransposed ? [second, first] : [first, second];
  const at = (row: number, column: number): number =>
    weights[isTransposed ? column * rows + row : row * columns + column] as number;
  const values = new Int8Array(rows * columns);
  const scales = new Float32Array(columns);
  let error = 0;
  let size = 0;
  for (let column = 0; column < columns; column++) {
    let largest = 0;
    for (let row = 0; row < rows; row++) largest = Math.max(largest, Math.abs(at(row, column)));
    const scale = largest === 0 ? 1 : largest / 127;
    scales[column] = scale;
    for (let row = 0; row < rows; row++) {
      const value = at(row, column);
      const rounded = Math.round(value / scale);
      values[row * columns + column] = rounded;
      error += (value - rounded * scale) ** 2;
      size += value ** 2;
    }
  }
  return { values, scales, shape: [rows, columns], relativeError: size === 0 ? 0 : Math.sqrt(error / size) };
}
