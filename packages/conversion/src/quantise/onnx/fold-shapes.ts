/** Chains that only lay numbers out anew: transpositions become one (or none), and of reshapes the last decides. */
import { graphNode } from '@gantry/formats/onnx';
import { makeNode } from './dense-layers.ts';
import type { PairRule } from './fold-pairs.ts';

const layers: ReadonlySet<string> = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze']);

export const shapeRules: readonly PairRule[] = [
  {
    what: 'Transpose joined',
    join: ({ first, second }) => {
      const [before, after] = [first.lists['perm'], second.lists['perm']];
      if (first.operator !== 'Transpose' || second.operator !== 'Transpose') return undefined;
      if (before === undefined || after === undefined || before.length !== after.length) return undefined;
      const perm = after.map((axis) => before[axis] ?? 0);
      const [inputs, outputs] = [first.inputs, second.outputs];
      const isSame = perm.every((axis, at) => axis === at);
      return graphNode(
        isSame
          ? makeNode('Identity', inputs, outputs)
          : makeNode('Transpose', inputs, outputs, { perm: { ints: perm } }),
      );
    },
  },
  {
    what: 'Reshape joined',
    join: ({ first, second, constants }) => {
      if (second.operator !== 'Reshape' || !layers.has(first.operator)) return undefined;
      const sizes = constants.get(second.inputs[1] ?? '')?.integers;
      // A size of 0 is that of what came in between.
      if (sizes === undefined || sizes.includes(0) || second.inputs.length !== 2) return undefined;
      const [data = ''] = first.inputs;
      const [, wanted = ''] = second.inputs;
      return constants.has(data) ? undefined : graphNode(makeNode('Reshape', [data, wanted], second.outputs));
    },
  },
];
