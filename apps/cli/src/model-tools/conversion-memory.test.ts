import type { Client } from '@gantry/sdk';
import { expect, it } from 'vitest';
import { conversionMemory, memoryOf } from './conversion-memory.ts';

const gibibyte = 2 ** 30;

it('a conversion in strips takes the same memory whatever the model', () => {
  expect(conversionMemory({ type: 'Q4_K_M' }, 100 * gibibyte)).toBe(2 * gibibyte);
  expect(conversionMemory({ type: 'F32' }, 100 * gibibyte)).toBe(2 * gibibyte);
});

it('smaller ONNX weights take several times the model, between bounds', () => {
  expect(conversionMemory({ type: 'int8' }, 1_000)).toBe(2 * gibibyte);
  expect(conversionMemory({ type: 'int8' }, gibibyte)).toBe(7 * gibibyte);
  expect(conversionMemory({ type: 'int8' }, 100 * gibibyte)).toBe(10 * gibibyte);
  expect(conversionMemory({ type: 'int8' }, undefined)).toBe(2 * gibibyte);
});

it.each([
  ['scorer', 7],
  ['scorer@2', 2],
  ['scorer@production', 4],
])('of %s the version that is meant counts', async (model, gibibytes) => {
  const answers: Readonly<Record<string, unknown>> = {
    'models.get': { aliases: { production: 1 }, latest: 3 },
    'models.versions': {
      items: [
        { number: 3, bytes: gibibyte },
        { number: 2, bytes: 5 },
        { number: 1, bytes: gibibyte / 2 },
      ],
    },
  };
  const client = { call: (route: string) => Promise.resolve(answers[route]) } as unknown as Client;
  expect(await memoryOf(client, { model, type: 'int8' })).toBe(gibibytes * gibibyte);
});
