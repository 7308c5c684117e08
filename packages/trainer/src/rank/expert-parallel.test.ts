/** Experts that data-parallel ranks share out: bytes by the formula, checkpoints for any layout, what cannot be. */
import { rm } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ofType, openTrainingScene, worstDifference, type TrainingScene } from '../testing/training-scene.ts';

const time = 16;
const sequences = 8;
const experts = { count: 4, top: 2, capacityFactor: 1.25 };
const shape = { depth: 2, width: 32, heads: 2, kvHeads: 2, hidden: 48 };
const train = {
  ...shape,
  model: { experts },
  sequenceLength: time,
  batchTokens: sequences * time,
  sampleEvery: 1000,
};

let scene: TrainingScene;
beforeEach(async () => {
  scene = await openTrainingScene();
});
afterEach(() => scene[Symbol.asyncDispose]());

async function attempt(ranks: number, parallel: object, steps: number, run = 'run', more = {}) {
  const { codes, reports } = await scene.attempt({
    run,
    ranks,
    parallel: { ...parallel },
    checkpoint: { everySteps: 2, keep: 9 },
    train: { ...train, steps, ...more },
  });
  const faults = ofType(reports, 'fault');
  const [facts] = ofType(reports, 'facts');
  const sent = ofType(reports, 'metric').at(-1)?.values ?? {};
  return { codes, fault: faults.at(-1), facts: facts?.values ?? {}, sent };
}

it('bytes sent and kept are what the formulas say', async () => {
  const steps = 2;
  const microBatches = 2;
  const each = await Promise.all([
    attempt(2, { data: 2 }, steps, 'copies'),
    attempt(2, { data: 2, expert: 2, microBatches }, steps, 'shared'),
  ]);
  const [copies, shared] = each;
  const capacity = Math.ceil(((experts.top * time) / experts.count) * experts.capacityFactor);
  const places = experts.count * (sequences / 2) * capacity;
  // Four journeys a layer (there and back, twice), half of the places to the other rank.
  expect(shared.sent['expertSentBytes']).toBe(steps * shape.depth * 4 * (places / 2) * shape.width * 4);
  const ofExperts = 4 * shape.depth * experts.count * 3 * shape.width * shape.hidden;
  const kept = (facts: Readonly<Record<string, unknown>>): number => Number(facts['parameterBytes']);
  expect(kept(copies.facts) - kept(shared.facts)).toBe(ofExperts / 2);
  // Gradients of experts that nobody else has are not sent; those of the rest are, half reduced and half gathered.
  const [before, after] = [copies, shared].map(({ sent }) => Number(sent['dataSentBytes']));
  expect((before as number) - (after as number)).toBe(steps * ofExperts);
});

it('a checkpoint of shared experts goes on in any layout, and one of any layout with shared experts', async () => {
  const steps = 8;
  await attempt(2, { data: 2, expert: 2, zero: 2 }, steps, 'chain');
  const weights = await scene.parametersAt('chain', steps);
  const chain = [
    { ranks: 1, parallel: {} },
    { ranks: 4, parallel: { data: 4, expert: 2, zero: 3 } },
    { ranks: 4, parallel: { data: 2, expert: 2, tensor: 2, zero: 1 } },
  ];
  for (const [index, { ranks, parallel }] of chain.entries()) {
    const from = 2 * (index + 1);
    for (let step = from + 2; step <= steps; step += 2)
      await rm(scene.checkpointAt('chain', step), { recursive: true });
    const { codes, facts } = await attempt(ranks, parallel, steps, 'chain');
    expect(codes).toEqual(codes.map(() => 0));
    expect(facts['resumedFromStep']).toBe(from);
    expect(worstDifference(await scene.parametersAt('chain', steps), weights)).toBeLessThan(2e-5);
  }
});

it.each([
  ['Muon, whose matrices come together whole', { optimizer: 'muon' }, { zero: 1 }],
  ['Adafactor, whose owners add up what they see', { optimizer: 'adafactor' }, { zero: 2 }],
  ['gradients that leave early', {}, { overlap: true }],
])('%s, goes with shared experts (2e-5)', async (_name, more, parallel) => {
  const steps = 3;
  await attempt(1, {}, steps, 'alone', more);
  const { codes } = await attempt(4, { data: 4, expert: 2, ...parallel }, steps, 'shared', more);
  expect(codes).toEqual([0, 0, 0, 0]);
  const [alone, shared] = [
    await scene.parametersAt('alone', steps),
    await scene.parametersAt('shared', steps),
  ];
  expect(worstDifference(shared, alone)).toBeLessThan(2e-5);
});

it('a gang that may be of any size shares its experts among as many as divide it', async () => {
  const { codes, facts } = await attempt(3, { expert: 2 }, 1, 'three');
  expect(codes).toEqual([0, 0, 0]);
  expect(facts['layout']).toBe('data 3 × tensor 1 × pipeline 1');
  const four = await attempt(4, { expert: 2 }, 1, 'four');
  expect(four.facts['layout']).toBe('data 4 (experts over 2) × tensor 1 × pipeline 1');
});

describe('refused with a hint', () => {
  it.each([
    ['ranks that do not divide', 3, { data: 3, expert: 2 }, '3 data-parallel ranks do not divide'],
    [
      'more shares than experts',
      8,
      { data: 8, expert: 8 },
      '4 experts of a tensor rank do not divide among 8',
    ],
    [
      'rows that are cut already',
      4,
      { data: 2, expert: 2, tensor: 2, sequenceParallel: true },
      'parallel.sequenceParallel cuts the rows',
    ],
  ])('%s', async (_name, ranks, parallel, words) => {
    const { codes, fault } = await attempt(ranks, parallel, 1);
    expect(codes).toEqual(codes.map(() => 64));
    expect(fault?.code).toBe('bad_layout');
    expect(fault?.message).toContain(words);
    expect(fault?.hint).not.toBe('');
  });
});
