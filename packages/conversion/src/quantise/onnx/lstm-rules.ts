/** LSTMs with small weights: a scale for each gate of each unit. */
import { reviseNode, type NewTensor } from '@gantry/formats/onnx';
import { floatType, makeNode, type Matrix } from './dense-layers.ts';
import { halvesOf } from './halves.ts';
import { int8Columns } from './int8-columns.ts';
import type { LstmLayer, LstmWeight } from './lstm-layers.ts';
import { type LayerRule, microsoft } from './rewrite-layers.ts';

/** The larger of both matrices' errors. */
const worst = (parts: readonly { readonly relativeError: number }[]): number =>
  Math.max(...parts.map(({ relativeError }) => relativeError));

/** ONNX Runtime's DynamicQuantizeLSTM: weights with inputs as rows, integers times integers at every step. */
export const dynamicLstm: LayerRule<LstmLayer> = {
  isInputPrepared: false,
  makeWeight: ({ weights }) => {
    const made = weights.map(({ name, shape: [directions, gates, inputs], matrices }) => {
      const values = new Int8Array(directions * gates * inputs);
      const scales = new Float32Array(directions * gates);
      const errors = matrices.map((matrix, direction) => {
        const columns = int8Columns(matrix);
        values.set(columns.values, direction * gates * inputs);
        scales.set(columns.scales, direction * gates);
        return columns;
      });
      const tensors: NewTensor[] = [
        { name: `${name}:int8`, shape: [directions, inputs, gates], data: values },
        { name: `${name}:scale`, shape: [directions, gates], data: scales },
        { name: `${name}:zero`, shape: [directions, gates], data: new Int8Array(scales.length) },
      ];
      return { tensors, relativeError: worst(errors) };
    });
    return { tensors: made.flatMap(({ tensors }) => tensors), relativeError: worst(made) };
  },
  toNodes: ({ node, weights: [input, recurrent] }) => {
    const rest = Array.from({ length: 5 }, (_, at) => node.inputs[at + 3] ?? '');
    return [
      reviseNode(node, {
        operator: 'DynamicQuantizeLSTM',
        domain: microsoft,
        inputs: [
          node.inputs[0] ?? '',
          `${input.name}:int8`,
          `${recurrent.name}:int8`,
          ...rest,
          ...[input, recurrent].flatMap(({ name }) => [`${name}:scale`, `${name}:zero`]),
        ],
      }),
    ];
  },
};

/** As the file has them: a row of inputs for each gate. Both directions share a gate's scale. */
const joined = ({ matrices, shape: [directions, gates, inputs] }: LstmWeight): Matrix => ({
  rows: directions * inputs,
  columns: gates,
  at: (row, column) => (matrices[Math.floor(row / inputs)] as Matrix).at(row % inputs, column),
});

/** [direction · input][gate] → [direction][gate][input] */
function inPlace<Values extends Int8Array | Float16Array>(
  [directions, gates, inputs]: LstmWeight['shape'],
  values: Values,
  into: Values,
): Values {
  for (let direction = 0; direction < directions; direction += 1)
    for (let gate = 0; gate < gates; gate += 1)
      for (let input = 0; input < inputs; input += 1)
        into[(direction * gates + gate) * inputs + input] = values[
          (direction * inputs + input) * gates + gate
        ] as number;
  return into;
}

const restored = (
  { node, output, weights }: LstmLayer,
  restore: (weight: LstmWeight, to: string) => ReturnType<typeof makeNode>,
) => {
  const names = weights.map(({ name }) => `${output}:${name}`);
  return [
    ...weights.map((weight, at) => restore(weight, names[at] ?? '')),
    reviseNode(node, { inputs: node.inputs.map((name, at) => names[at - 1] ?? name) }),
  ];
};

export const storedLstm: LayerRule<LstmLayer> = {
  makeWeight: ({ weights }) => {
    const made = weights.map((weight) => {
      const { name, shape } = weight;
      const { values, scales, relativeError } = int8Columns(joined(weight));
      const tensors: NewTensor[] = [
        { name: `${name}:int8`, shape, data: inPlace(shape, values, new Int8Array(values.length)) },
        { name: `${name}:scale`, shape: [scales.length], data: scales },
        { name: `${name}:zero`, shape: [scales.length], data: new Int8Array(scales.length) },
      ];
      return { tensors, relativeError };
    });
    return { tensors: made.flatMap(({ tensors }) => tensors), relativeError: worst(made) };
  },
  toNodes: (layer) =>
    restored(layer, ({ name }, to) =>
      makeNode('DequantizeLinear', [`${name}:int8`, `${name}:scale`, `${name}:zero`], [to], {
        axis: { int: 1 },
      }),
    ),
};

export const halvedLstm: LayerRule<LstmLayer> = {
  makeWeight: ({ weights }) => {
    const made = weights.map((weight) => {
      const { name, shape } = weight;
      const { halves, relativeError } = halvesOf(joined(weight));
      const data = inPlace(shape, halves, new Float16Array(halves.length));
      return { tensors: [{ name: `${name}:half`, shape, data }], relativeError };
    });
    return { tensors: made.flatMap(({ tensors }) => tensors), relativeError: worst(made) };
  },
  toNodes: (layer) =>
    restored(layer, ({ name }, to) => makeNode('Cast', [`${name}:half`], [to], { to: { int: floatType } })),
};
