import { expect, it } from 'vitest';
import { stepModelFlop } from './model-flop.ts';
import { transformerShape } from './transformer-shape.ts';

const sizes = {
  depth: 12,
  width: 768,
  heads: 12,
  hidden: 3072,
  sequenceLength: 1024,
  vocabularySize: 50_257,
  eosId: 0,
};

it('a step of GPT-2 small needs 6 N + 12 L H Q T for each token', () => {
  const config = transformerShape({ ...sizes, family: 'gpt' });
  // Matrices of 124 M parameters: 12 layers of 12 W² and the head; biases and norms are no products.
  const matrices = 12 * 12 * 768 ** 2 + 50_257 * 768;
  const biases = 12 * (3 * 768 + 768 + 3072 + 768);
  const expected = 8 * 1024 * (6 * matrices + 12 * 12 * 768 * 1024);
  expect(stepModelFlop(config, 8, 1024)).toBeGreaterThanOrEqual(expected);
  expect(stepModelFlop(config, 8, 1024)).toBeLessThanOrEqual(expected + 8 * 1024 * 6 * biases);
});

it('of a mixture only the experts at work count', () => {
  const experts = { count: 8, top: 2, capacityFactor: 1, balance: 0 };
  const mixture = stepModelFlop(transformerShape({ ...sizes, experts }), 1, 64);
  const dense = stepModelFlop(transformerShape(sizes), 1, 64);
  const twice = stepModelFlop(transformerShape({ ...sizes, hidden: 2 * 3072 }), 1, 64);
  expect(mixture).toBeGreaterThan(dense);
  expect(mixture / twice).toBeCloseTo(1, 2);
});
