/** Documents in one sequence, none of which sees another, are documents run one by one: the same loss and gradients. */
import {
  initialiseParameters,
  parameterLayout,
  transformerShape,
  type ShapeRequest,
} from '@gantry/training/model';
import { describe, expect, it } from 'vitest';
import { createModelExecutor } from './model-executor.ts';

const eos = 0;
const lengths = [5, 1, 7, 3];
const time = lengths.reduce((sum, length) => sum + length, 0);
const vocabulary = 11;
const request: ShapeRequest = {
  depth: 2,
  vocabularySize: vocabulary,
  sequenceLength: time,
  width: 32,
  heads: 4,
  kvHeads: 4,
  hidden: 48,
  eosId: eos,
};
type Style = NonNullable<ShapeRequest['style']>;

/** Two rows of the same four documents in another order, each begun by the end-of-text token. */
const rows = [lengths, lengths.toReversed()].map((order, row) =>
  order.map((length, document) =>
    Array.from({ length }, (_, at) =>
      at === 0 ? eos : 1 + ((row * 5 + document * 3 + at * at) % (vocabulary - 1)),
    ),
  ),
);
const targetOf = (token: number, at: number): number => (token * 3 + at + 1) % vocabulary;

async function lossAndGradients(
  documents: readonly (readonly number[])[],
  sequences: number,
  style: Style,
  staysInDocument: boolean,
): Promise<{ loss: number; gradients: Float32Array }> {
  const config = transformerShape({ ...request, style, staysInDocument });
  const layout = parameterLayout(config);
  const parameters = new Float32Array(layout.length);
  initialiseParameters(layout, 3, parameters);
  for (const [index, value] of parameters.entries()) parameters[index] = value * 6;
  const gradients = new Float32Array(layout.length);
  const tokens = documents.flat();
  await using executor = await createModelExecutor({
    config,
    sequences,
    time: tokens.length / sequences,
    kind: 'gradients',
    parameters,
    gradients,
  });
  executor.tokens.set(tokens.map(BigInt));
  executor.targets.set(
    documents.flatMap((document) => document.map((token, at) => BigInt(targetOf(token, at)))),
  );
  executor.weights.fill(1);
  await executor.run();
  return { loss: executor.loss[0] as number, gradients };
}

describe('attention that stays in its document', () => {
  it.each([{ positions: 'rotary' }, { positions: 'alibi' }, { positions: 'relative' }] satisfies Style[])(
    'gives loss and gradients of the documents run one by one (2e-5 of the largest), $positions',
    async (style) => {
      const packed = await lossAndGradients(rows.flat(), 2, style, true);
      let loss = 0;
      const gradients = new Float32Array(packed.gradients.length);
      for (const document of rows.flat()) {
        const alone = await lossAndGradients([document], 1, style, false);
        loss += alone.loss;
        for (const [index, value] of alone.gradients.entries())
          gradients[index] = (gradients[index] as number) + value;
      }
      expect(Math.abs(packed.loss - loss)).toBeLessThan(2e-5 * loss);
      const largest = gradients.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      for (const [index, value] of packed.gradients.entries())
        expect(Math.abs(value - (gradients[index] as number))).toBeLessThan(2e-5 * largest);
      const crossing = await lossAndGradients(rows.flat(), 2, style, false);
      expect(Math.abs(crossing.loss - loss)).toBeGreaterThan(1e-3 * loss);
    },
  );

  it.each([
    [{ positions: 'learned' }, /count from the beginning of a sequence/],
    [{ positions: 'sinusoidal' }, /count from the beginning of a sequence/],
    [{ isCausal: false }, /encoder/],
  ] satisfies [Style, RegExp][])('is refused where %j', (style, message) => {
    expect(() => transformerShape({ ...request, style, staysInDocument: true })).toThrow(message);
  });
});
