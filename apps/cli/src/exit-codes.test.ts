import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { exitCodeMeanings, exitCodes } from './exit-codes.ts';

test('docs/cli.md has the table of exit codes', () => {
  const page = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'cli.md'), 'utf8');
  for (const [name, code] of Object.entries(exitCodes))
    expect(page).toContain(`| ${code} | ${exitCodeMeanings[name as keyof typeof exitCodes]} |`);
});
