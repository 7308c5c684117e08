/** To a narrow float and back, in both directions: what a kernel of that type would leave, in float32. */
import type { GraphBuilder } from './graph.ts';
import type { OperatorRule } from './operator-rule.ts';
import { take } from './take.ts';
import type { Value } from './value.ts';

export type NarrowFloat = 'bf16' | 'fp16';
/** TensorProto.DataType of ONNX. */
const dataTypes = { fp32: 1, fp16: 10, bf16: 16 } as const;

export const round: OperatorRule<{ readonly to: NarrowFloat }> = {
  takesBlocked: true,
  forward: (graph, inputs, { to }) => ({ output: narrow(graph, take(inputs, 1)[0], to), saved: [] }),
  backward: (graph, { attributes, gradient }) => [narrow(graph, gradient, attributes.to)],
};

function narrow(graph: GraphBuilder, value: Value, to: NarrowFloat): Value {
  const cast = (from: Value, type: keyof typeof dataTypes): Value =>
    graph.node('Cast', [from], value.shape, { attributes: { to: { int: dataTypes[type] } } });
  const back = cast(cast(value, to), 'fp32');
  return value.isBlocked === true ? graph.asBlocked(back) : back;
}
