/** What a convolutional classifier is made of. N = images, C and O = channels, H × W = places. */
import type { GraphBuilder } from './graph.ts';
import type { Shape, Value } from './value.ts';
import type { OperatorRule } from './operator-rule.ts';
import { take } from './take.ts';

type Rule = OperatorRule<Readonly<Record<string, never>>>;
type ImageShape = readonly [number, number, number, number];

export const relu: Rule = {
  forward: (graph, inputs) => ({ output: graph.map('Relu', take(inputs, 1)[0]), saved: [] }),
  // The sign of what came out is 1 where it is more than nothing, else 0.
  backward: (graph, { output, gradient }) => [graph.multiply(gradient, graph.map('Sign', output))],
};

/** (x [N, C, H, W]; w [O, C, 3, 3]; b [1, O]) → [N, O, H, W]: as large as the input, which is padded with zeros. */
export const convolution: Rule = {
  forward: (graph, inputs) => {
    const [x, w, b] = take(inputs, 3);
    const [images, , height, width] = x.shape as ImageShape;
    const channels = w.shape[0] as number;
    const bias = graph.reshape(b, [channels]);
    return { output: conv(graph, 'Conv', [x, w, bias], [images, channels, height, width]), saved: [] };
  },
  backward: (graph, { inputs, gradient }) => {
    const [x, w, b] = take(inputs, 3);
    const dx = conv(graph, 'ConvTranspose', [gradient, w], x.shape);
    // Images as channels: the gradient slides over the input, and each of the 3 × 3 places is one weight.
    const turn = (value: Value): Value => graph.transpose(value, [1, 0, 2, 3]);
    const [channels, from] = w.shape as ImageShape;
    const dw = turn(conv(graph, 'Conv', [turn(x), turn(gradient)], [from, channels, 3, 3]));
    return [dx, dw, graph.reshape(sumOver(graph, gradient, [0, 2, 3], [channels]), b.shape)];
  },
};

function conv(graph: GraphBuilder, operator: string, inputs: readonly Value[], shape: Shape): Value {
  const kernel = (inputs[1] as Value).shape.slice(2);
  return graph.node(operator, inputs, shape, {
    attributes: { kernel_shape: { ints: kernel }, pads: { ints: [1, 1, 1, 1] } },
  });
}

/** [N, C, H, W] → [N, C, ⌊H/2⌋, ⌊W/2⌋]: means of four neighbours; an odd last row or column is left out. */
export const averagePool: Rule = {
  forward: (graph, inputs) => {
    const [x] = take(inputs, 1);
    const [images, channels, height, width] = x.shape as ImageShape;
    const shape = [images, channels, Math.floor(height / 2), Math.floor(width / 2)];
    const attributes = { kernel_shape: { ints: [2, 2] }, strides: { ints: [2, 2] } };
    return { output: graph.node('AveragePool', [x], shape, { attributes }), saved: [] };
  },
  backward: (graph, { inputs, output, gradient }) => {
    const [x] = take(inputs, 1);
    const [images, channels, height, width] = output.shape as ImageShape;
    const quarter = graph.multiply(gradient, graph.scalar(0.25));
    const apart = graph.reshape(quarter, [images, channels, height, 1, width, 1]);
    const shape = [images, channels, height, 2, width, 2];
    const wide = graph.node('Expand', [apart, graph.integers(shape)], shape);
    const even = graph.reshape(wide, [images, channels, 2 * height, 2 * width]);
    const missing = x.shape.map((size, axis) => size - (even.shape[axis] as number));
    if (missing.every((count) => count === 0)) return [even];
    return [graph.node('Pad', [even, graph.integers([0, 0, 0, 0, ...missing])], x.shape)];
  },
};

/** [N, C, H, W] → [N, C] */
export const channelMeans: Rule = {
  forward: (graph, inputs) => {
    const [x] = take(inputs, 1);
    const [images, channels, height, width] = x.shape as ImageShape;
    const sum = sumOver(graph, x, [2, 3], [images, channels]);
    return { output: graph.multiply(sum, graph.scalar(1 / (height * width))), saved: [] };
  },
  backward: (graph, { inputs, gradient }) => {
    const [x] = take(inputs, 1);
    const [images, channels, height, width] = x.shape as ImageShape;
    const share = graph.multiply(gradient, graph.scalar(1 / (height * width)));
    const apart = graph.reshape(share, [images, channels, 1, 1]);
    return [graph.node('Expand', [apart, graph.integers(x.shape)], x.shape)];
  },
};

function sumOver(graph: GraphBuilder, value: Value, axes: readonly number[], shape: Shape): Value {
  return graph.node('ReduceSum', [value, graph.integers(axes)], shape, {
    attributes: { keepdims: { int: 0 } },
  });
}
