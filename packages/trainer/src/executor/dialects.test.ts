import { createRandom } from '@gantry/kit';
import type { Dialect } from '@gantry/training/autodiff';
import { initialiseParameters, transformerShape, parameterLayout } from '@gantry/training/model';
import { describe, expect, it } from 'vitest';
import { createModelExecutor } from './model-executor.ts';
import { probeDialect } from './probe-dialect.ts';

const time = 16;

async function gradientsOf(
  dialect: Dialect,
  shape: { kvHeads: number; hidden: number; vocabularySize: number },
) {
  const config = transformerShape({ depth: 2, sequenceLength: time, width: 64, heads: 4, ...shape });
  const layout = parameterLayout(config);
  const parameters = new Float32Array(layout.length);
  initialiseParameters(layout, 3, parameters);
  const gradients = new Float32Array(layout.length);
  const common = { config, sequences: 2, time, parameters, dialect };
  await using executor = await createModelExecutor({ ...common, kind: 'gradients', gradients });
  await using reader = await createModelExecutor({ ...common, kind: 'logits' });
  const random = createRandom(9);
  for (let index = 0; index < 2 * time; index += 1) {
    executor.tokens[index] = BigInt(random.below(shape.vocabularySize));
    executor.targets[index] = BigInt(random.below(shape.vocabularySize));
    executor.weights[index] = random.next();
  }
  reader.tokens.set(executor.tokens);
  await executor.run();
  await reader.run();
  return { layout, gradients, loss: executor.loss[0] as number, logits: reader.logits };
}

describe('the blocked dialect', async () => {
  const isThere = (await probeDialect()) === 'blocked';
  const shapes = {
    'where every size fits': { kvHeads: 4, hidden: 96, vocabularySize: 48 },
    'where the vocabulary does not fit': { kvHeads: 4, hidden: 96, vocabularySize: 51 },
    'where the hidden size does not fit': { kvHeads: 4, hidden: 88, vocabularySize: 48 },
    'with grouped queries': { kvHeads: 2, hidden: 96, vocabularySize: 48 },
  };
  for (const [name, shape] of Object.entries(shapes)) {
    it.skipIf(!isThere)(
      `computes what the portable one computes, ${name} (5e-6 of the largest)`,
      async () => {
        const blocked = await gradientsOf('blocked', shape);
        const portable = await gradientsOf('portable', shape);
        expect(Math.abs(blocked.loss - portable.loss)).toBeLessThan(2e-6 * portable.loss);
        expect(relativeDifference(blocked.logits, portable.logits)).toBeLessThan(5e-6);
        for (const { name: parameter, offset, length } of portable.layout.parameters) {
          const part = (all: Float32Array): Float32Array => all.subarray(offset, offset + length);
          expect(
            relativeDifference(part(blocked.gradients), part(portable.gradients)),
            parameter,
          ).toBeLessThan(5e-6);
        }
      },
    );
  }
});

function relativeDifference(one: Float32Array, other: Float32Array): number {
  let worst = 0;
  let largest = 0;
  for (const [index, value] of other.entries()) {
    worst = Math.max(worst, Math.abs(value - (one[index] as number)));
    largest = Math.max(largest, Math.abs(value));
  }
  return worst / largest;
}
