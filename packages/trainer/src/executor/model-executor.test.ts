import { createRandom } from '@gantry/kit';
import {
  initialiseParameters,
  parameterLayout,
  transformerShape,
  type ShapeRequest,
} from '@gantry/training/model';
import { describe, expect, it } from 'vitest';
import { referenceLoss } from '../testing/reference-transformer.ts';
import type { OutputPath } from './executor.ts';
import { probeOutputPath } from './executor.ts';
import { createModelExecutor } from './model-executor.ts';

const time = 6;

interface Case extends Pick<ShapeRequest, 'family' | 'style' | 'isTied'> {
  readonly name: string;
  readonly kvHeads: number;
  readonly sequences: number;
  /** Start values are multiplied by it; 10 unless given. Small enough that no softmax is all but certain. */
  readonly spread?: number;
}

async function gradientsOf({ kvHeads, sequences, spread = 10, ...how }: Case, outputPath?: OutputPath) {
  const config = transformerShape({
    depth: 2,
    vocabularySize: 11,
    sequenceLength: time,
    width: 16,
    heads: 4,
    kvHeads,
    hidden: 24,
    ...how,
  });
  const layout = parameterLayout(config);
  const parameters = new Float32Array(layout.length);
  initialiseParameters(layout, 3, parameters);
  const random = createRandom(9);
  // Far from zero and from one, so that no term hides.
  for (const [index, value] of parameters.entries())
    parameters[index] = value * spread + (random.next() - 0.5) * 0.2;
  const gradients = new Float32Array(layout.length);
  await using executor = await createModelExecutor({
    config,
    sequences,
    time,
    kind: 'gradients',
    parameters,
    gradients,
    ...(outputPath === undefined ? {} : { outputPath }),
  });
  for (let index = 0; index < sequences * time; index += 1) {
    executor.tokens[index] = BigInt(random.below(11));
    executor.targets[index] = BigInt(random.below(11));
    executor.weights[index] = index === 2 ? 0 : random.next();
  }
  await executor.run();
  const lossAt = (values: Float64Array): number => {
    let loss = 0;
    for (let from = 0; from < sequences * time; from += time) {
      const part = (data: Iterable<number | bigint>): number[] =>
        [...data].slice(from, from + time).map(Number);
      loss += referenceLoss(
        config,
        values,
        part(executor.tokens),
        part(executor.targets),
        part(executor.weights),
      );
    }
    return loss;
  };
  return { layout, parameters, gradients, loss: executor.loss[0] as number, lossAt };
}

describe('the transformer against its float64 reference', () => {
  for (const example of [
    { name: 'every head with its own keys', kvHeads: 4, sequences: 1 },
    { name: 'grouped-query, two sequences', kvHeads: 2, sequences: 2 },
    { name: 'GPT', spread: 2, kvHeads: 4, sequences: 2, family: 'gpt' },
    {
      name: 'GPT with slopes and its own head',
      spread: 2,
      kvHeads: 4,
      sequences: 1,
      family: 'gpt',
      style: { positions: 'alibi' },
      isTied: false,
    },
    {
      name: 'GPT with ranges of distance',
      spread: 2,
      kvHeads: 2,
      sequences: 2,
      family: 'gpt',
      style: { positions: 'relative' },
    },
    {
      name: 'sine waves, RMSNorm and GELU',
      spread: 2,
      kvHeads: 4,
      sequences: 1,
      style: { positions: 'sinusoidal', activation: 'gelu' },
    },
    { name: 'an encoder', spread: 2, kvHeads: 4, sequences: 2, family: 'gpt', style: { isCausal: false } },
  ] satisfies Case[]) {
    const samples = 'spread' in example ? 3 : 7;
    it(`loss and gradients agree: ${example.name}`, async () => {
      const { layout, parameters, gradients, loss, lossAt } = await gradientsOf(example);
      const values = Float64Array.from(parameters);
      expect(Math.abs(loss - lossAt(values))).toBeLessThan(1e-5 * loss);
      for (const { name, offset, length } of layout.parameters) {
        const stride = Math.max(1, Math.floor(length / samples));
        let worst = 0;
        let largest = 0;
        for (let index = offset; index < offset + length; index += stride) {
          const kept = values[index] as number;
          const step = 1e-6;
          values[index] = kept + step;
          const above = lossAt(values);
          values[index] = kept - step;
          const below = lossAt(values);
          values[index] = kept;
          const expected = (above - below) / (2 * step);
          worst = Math.max(worst, Math.abs(expected - (gradients[index] as number)));
          largest = Math.max(largest, Math.abs(expected));
        }
        expect(worst, `${name}: largest ${largest}`).toBeLessThan(2e-4 * Math.max(largest, 0.05));
      }
    });
  }

  it('gives the same bits whether outputs are written in place or copied', async () => {
    const example = { name: '', kvHeads: 2, sequences: 2 };
    const copied = await gradientsOf(example, 'copied');
    const found = await gradientsOf(example, await probeOutputPath());
    expect(found.gradients).toEqual(copied.gradients);
  });
});
