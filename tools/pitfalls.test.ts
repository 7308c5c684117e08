/** Every line of docs/training-pitfalls.md names a test that is there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const rows = [...read('docs/training-pitfalls.md').matchAll(/^\|.*\| `([^`]+)`: (.+) \|$/gm)].map(
  ([, file = '', title = '']) => ({ file, title }),
);

it('lists what is easily got wrong', () => {
  expect(rows.length).toBeGreaterThanOrEqual(29);
});

it.each(rows)('$file has a test: $title', ({ file, title }) => {
  expect(read(file)).toContain(title);
});
