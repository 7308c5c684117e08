import { expect, test } from 'vitest';
import { helpCommandFor } from './help-command.ts';
import { createProgram } from './program.ts';

test.each([
  ['', 'gantry --help'],
  ['foo', 'gantry --help'],
  ['job', 'gantry job --help'],
  ['job foo', 'gantry job --help'],
  ['--json job list --nope', 'gantry job list --help'],
  ['queue tree --nope', 'gantry queue list --help'],
])('"gantry %s" is helped by %s', (words, help) => {
  expect(helpCommandFor(createProgram(), words.split(' '))).toBe(help);
});
