import type { Client } from '@gantry/sdk';
import { expect, test } from 'vitest';
import { heldBack } from './held-back.ts';

const why = ['it was never compared with lm@1'];
const items = [
  { number: 3, gate: { state: 'passed', why: [] } },
  { number: 2, gate: { state: 'missing', why } },
  { number: 1, gate: { state: 'open', why: [] } },
];
const client = { call: async () => ({ items }) } as unknown as Client;

test.each([
  ['lm@1', undefined],
  ['lm@2', why[0]],
  ['lm@3', undefined],
  ['lm@9', undefined],
])('%s is held back: %s', async (reference, told) => {
  expect(await heldBack(client, reference)).toBe(told);
});
