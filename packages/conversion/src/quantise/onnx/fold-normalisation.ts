/**
 * BatchNormalization in inference is a factor and a shift for each channel: y = (x − mean) · scale / √(variance + ε) +
 * shift. Behind a convolution or a Gemm that nobody else reads both go into its weights and bias.
 */
import { reviseNode, type GraphNode } from '@gantry/formats/onnx';
import type { Constant } from './clean-graph.ts';
import { isStandard } from './dense-layers.ts';

export function foldNormalisation(
  nodes: readonly GraphNode[],
  constants: Map<string, Constant>,
  outputs: readonly string[],
  count: () => void,
): GraphNode[] {
  const readers = new Map<string, number>();
  for (const name of [...nodes.flatMap(({ inputs }) => inputs), ...outputs])
    readers.set(name, (readers.get(name) ?? 0) + 1);
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const changed = new Map<GraphNode, GraphNode | undefined>();
  for (const node of nodes) {
    const maker = makers.get(node.inputs[0] ?? '');
    if (maker === undefined || changed.has(maker) || readers.get(node.inputs[0] ?? '') !== 1) continue;
    const joined = join(maker, node, constants);
    if (joined === undefined) continue;
    changed.set(maker, joined);
    changed.set(node, undefined);
    count();
  }
  return nodes.flatMap((node) => (changed.has(node) ? (changed.get(node) ?? []) : node));
}

function join(
  layer: GraphNode,
  normalisation: GraphNode,
  constants: Map<string, Constant>,
): GraphNode | undefined {
  const { operator, numbers } = normalisation;
  if (operator !== 'BatchNormalization' || !isStandard(normalisation) || numbers['training_mode'] === 1)
    return undefined;
  if (!isStandard(layer) || layer.outputs.length !== 1) return undefined;
  const { alpha = 1, beta = 1, transB = 0 } = layer.numbers;
  const isGemm = layer.operator === 'Gemm' && alpha === 1 && beta === 1 && transB === 1;
  if (layer.operator !== 'Conv' && !isGemm) return undefined;
  const weight = constants.get(layer.inputs[1] ?? '');
  const biasName = layer.inputs[2] ?? '';
  const bias = constants.get(biasName)?.values;
  const [scale, shift, mean, variance] = normalisation.inputs
    .slice(1)
    .map((name) => constants.get(name)?.values);
  const channels = weight?.shape[0] ?? 0;
  if (weight?.values === undefined || (biasName !== '' && bias === undefined)) return undefined;
  if (scale === undefined || shift === undefined || mean === undefined || variance === undefined)
    return undefined;
  if (scale.length !== channels || (bias !== undefined && bias.length !== channels)) return undefined;
  const { epsilon = 1e-5 } = numbers;
  const factors = Float32Array.from(
    scale,
    (each, at) => each / Math.sqrt((variance[at] as number) + epsilon),
  );
  const each = weight.values.length / channels;
  const [output = ''] = normalisation.outputs;
  const names = [`${output}:weight`, `${output}:bias`] as const;
  constants.set(names[0], {
    name: names[0],
    shape: weight.shape,
    values: weight.values.map((value, at) => value * (factors[Math.floor(at / each)] as number)),
    integers: undefined,
  });
  constants.set(names[1], {
    name: names[1],
    shape: [channels],
    values: factors.map(
      (factor, at) => ((bias?.[at] ?? 0) - (mean[at] as number)) * factor + (shift[at] as number),
    ),
    integers: undefined,
  });
  return reviseNode(layer, { inputs: [layer.inputs[0] ?? '', ...names], outputs: [output] });
}
