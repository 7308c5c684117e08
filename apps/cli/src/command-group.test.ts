import { InvalidArgumentError } from 'commander';
import { describe, expect, test } from 'vitest';
import { countOption, numberOption, timeOption } from './command-group.ts';

const nowMs = Date.parse('2026-01-31T12:00:00Z');

describe('a moment on the command line', () => {
  test.each([
    ['2h', '2026-01-31T10:00:00.000Z'],
    ['7d', '2026-01-24T12:00:00.000Z'],
    ['2026-01-01', '2026-01-01T00:00:00.000Z'],
    ['2026-01-01T10:30:00Z', '2026-01-01T10:30:00.000Z'],
  ])('%s', (text, iso) => {
    expect(timeOption(text, undefined, nowMs)).toBe(iso);
  });

  test.each(['yesterday', '', '2026-13-01', '12', '2026'])('%j is none', (text) => {
    expect(() => timeOption(text)).toThrow(InvalidArgumentError);
  });
});

test('a number is a number, a count a whole one from 1 on', () => {
  expect(numberOption('0.5')).toBe(0.5);
  expect(() => numberOption('abc')).toThrow(/no number/);
  expect(countOption('3')).toBe(3);
  for (const text of ['0', '-1', '1.5', '']) expect(() => countOption(text)).toThrow(InvalidArgumentError);
});
