import { expect, test } from 'vitest';
import { countOf } from './count-of.ts';

test.each([
  [0, '0 slots'],
  [1, '1 slot'],
  [1_024, '1,024 slots'],
])('%d of a noun reads %s', (count, text) => {
  expect(countOf(count, 'slot')).toBe(text);
});

test('a noun that takes no s brings its plural', () => {
  expect([1, 2].map((count) => countOf(count, 'entry', 'entries'))).toEqual(['1 entry', '2 entries']);
});
