import { expect, test } from 'vitest';
import { findOffender } from './find-offender.ts';
import { running, snapshot, workload } from './scenario.ts';
import type { Snapshot } from './snapshot.ts';

const poisoned = (id: string) => (state: Snapshot) => {
  if (state.workloads.some((item) => item.id === id)) throw new Error('boom');
};
const many = Array.from({ length: 100 }, (_, index) => workload(`w${index}`));

test('the waiting workload that makes planning throw is found', () => {
  expect(findOffender(snapshot({ workloads: many }), poisoned('w37'))).toBe('w37');
});

test('nobody is blamed when nothing throws, or when the running ones are enough to make it throw', () => {
  expect(findOffender(snapshot({ workloads: many }))).toBeNull();
  expect(findOffender(snapshot({ workloads: [...many, running('r', [])] }), poisoned('r'))).toBeNull();
});
