import { matchesGlob } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { globProblem } from './glob-pattern.ts';

it.each(['*.json', 'out/**', '**/*.pt', 'run-*/step-*.{pt,bin}', '[a-f]?.txt', '{a,b}/{c,d}', 'plain/path'])(
  '%s may be used',
  (pattern) => {
    expect(globProblem(pattern)).toBeUndefined();
  },
);

it.each([
  ['{a,b}'.repeat(15), /more than 100 patterns/],
  ['{1..300000}', /no ranges/],
  ['{a,{b,c}}', /no braces/],
  ['{a', /no braces/],
  ['+(a|aa)b', /not understood/],
  ['*a*a*a*b', /more than 2 "\*"/],
  ['**/a/**/b/**', /more than 2 parts/],
])('%s would take for ever, or might', (pattern, why) => {
  expect(globProblem(pattern)).toMatch(why);
});

it('what may be used is matched at once, whatever the names are', () => {
  const word = fc.constantFrom('*', '**', '/', 'a', 'aa', '{a,b}', '{aa,a,}', '[ab]', '?', 'b');
  const pattern = fc.array(word, { maxLength: 40 }).map((words) => words.join(''));
  fc.assert(
    fc.property(pattern, (text) => {
      if (text === '' || globProblem(text) !== undefined) return;
      // A pattern that tries every split of these would not end before the test does.
      matchesGlob('a'.repeat(255), text);
      matchesGlob('a/'.repeat(100), text);
    }),
    { seed: 6, numRuns: 300 },
  );
});
