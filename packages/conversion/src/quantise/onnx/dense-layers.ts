/** The layers of an ONNX graph that gain from small weights: a MatMul with a constant matrix, or a Gemm that is one with a bias. */
import { FormatError } from '@gantry/formats';
import type { GraphNode, GraphTensor, OnnxGraph, OnnxNode } from '@gantry/formats/onnx';

export interface DenseLayer {
  readonly kind: 'dense';
  readonly node: GraphNode;
  readonly input: string;
  readonly output: string;
  readonly bias: string | undefined;
  readonly weightName: string;
  /** Names what is made of the weight: the same matrix may be used both ways round. */
  readonly key: string;
  readonly weight: Matrix;
}

/** Row by row: inputs, then outputs, whichever way the file has it. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly at: (row: number, column: number) => number;
}

/** Below this a layer is no faster, and hardly smaller. */
export const smallestWeight = 4_096;

export function needOpset({ opset }: OnnxGraph, least: number): void {
  if (opset >= least) return;
  throw new FormatError(
    'format_unsupported',
    `The model is of operator set ${opset}; these layers need ${least}.`,
    'Export it again with a newer opset.',
  );
}

export function denseLayers({ nodes, tensors }: OnnxGraph): ReadonlyMap<GraphNode, DenseLayer> {
  const weights = byName(tensors);
  const found = new Map<GraphNode, DenseLayer>();
  for (const node of nodes) {
    const [input = '', weightName = '', bias = ''] = node.inputs;
    const weight = weights.get(weightName);
    const [first, second] = weight?.shape ?? [];
    const values = weight?.values;
    if (!isDense(node) || values === undefined || weight?.shape.length !== 2) continue;
    if (first === undefined || second === undefined || values.length < smallestWeight) continue;
    const isTransposed = node.operator === 'Gemm' && node.numbers['transB'] === 1;
    found.set(node, {
      kind: 'dense',
      node,
      input,
      output: node.outputs[0] ?? '',
      bias: node.operator === 'Gemm' && bias !== '' ? bias : undefined,
      weightName,
      key: `${weightName}${isTransposed ? ':t' : ''}`,
      weight: isTransposed
        ? { rows: second, columns: first, at: (row, column) => values[column * second + row] as number }
        : { rows: first, columns: second, at: (row, column) => values[row * second + column] as number },
    });
  }
  return found;
}

function isDense(node: GraphNode): boolean {
  if (!isStandard(node)) return false;
  const { operator, numbers } = node;
  if (operator === 'MatMul') return true;
  const { alpha = 1, beta = 1, transA = 0 } = numbers;
  return operator === 'Gemm' && alpha === 1 && beta === 1 && transA === 0;
}

export const isStandard = ({ domain }: GraphNode): boolean => domain === '' || domain === 'ai.onnx';

export const byName = (tensors: readonly GraphTensor[]): ReadonlyMap<string, GraphTensor> =>
  new Map(tensors.map((tensor) => [tensor.name, tensor]));

/** onnx.TensorProto.FLOAT, for Cast. */
export const floatType = 1;

export const makeNode = (
  operator: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: OnnxNode['attributes'] = {},
  domain = '',
): OnnxNode => ({ operator, domain, inputs, outputs, attributes });

/** `product` holds the layer without its bias. */
export function withBias(
  { bias, output }: DenseLayer,
  toProduct: (product: string) => OnnxNode[],
): OnnxNode[] {
  if (bias === undefined) return toProduct(output);
  const product = `${output}:product`;
  return [...toProduct(product), makeNode('Add', [product, bias], [output])];
}
