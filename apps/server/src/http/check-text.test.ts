import { expect, test } from 'vitest';
import { checkText } from './check-text.ts';

test.each([
  ['a NUL deep inside', { env: { A: ['b', 'c\0'] } }, /^env\.A\.1 in the body is no text/],
  ['half a surrogate pair', { name: '\ud800' }, /^name in the body/],
  ['a NUL in a key', { 'a\0': 1 }, /^the body is no text/],
  ['text alone', 'a\0b', /^the body is no text/],
])('%s is refused with its place', (_, value, said) => {
  expect(() => checkText(value, 'body')).toThrow(said);
});

test('any text of the world passes', () => {
  expect(() =>
    checkText({ a: ['ž', '🙂', '\u2028', '\t'], b: null, c: 1, d: undefined }, 'body'),
  ).not.toThrow();
});

test('what nests without end is refused before anything runs out of stack', () => {
  const deep = JSON.parse(`${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`) as unknown;
  expect(() => checkText({ env: deep }, 'body')).toThrow(/^the body nests more than 128 deep/);
});
