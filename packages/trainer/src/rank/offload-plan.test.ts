import { parallelSchema, trainSchema } from '@gantry/contract';
import { expect, it } from 'vitest';
import { offloadOf } from './offload-plan.ts';

const jobWith = (parallel: object, train: object = {}): Parameters<typeof offloadOf>[0] => ({
  train: trainSchema.parse({ recipe: 'language-model', data: ['a'], ...train }),
  parallel: parallelSchema.parse({ data: 2, ...parallel }),
});

it.each([
  ['without ZeRO there is no part that a rank owns', { offload: {} }, {}, 'without ZeRO'],
  ['parameters need stage 3', { zero: 2, offload: { parameters: true } }, {}, 'parallel.zero is 2'],
  ['Muon takes whole matrices', { zero: 1, offload: {} }, { optimizer: 'muon' }, 'What muon keeps stays'],
  ['Adafactor keeps little', { zero: 1, offload: {} }, { optimizer: 'adafactor' }, 'What adafactor keeps'],
])('offloading is refused with what would do: %s', (_name, parallel, train, says) => {
  expect(() => offloadOf(jobWith(parallel, train))).toThrow(says);
});

it('what goes together is taken as it was asked for', () => {
  expect(offloadOf(jobWith({ zero: 3, offload: { parameters: true } }))).toMatchObject({ parameters: true });
  expect(offloadOf(jobWith({}))).toBeUndefined();
});
