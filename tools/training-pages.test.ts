/** Every technique of docs/training.md has a page that says five things about it, the last of them tests that are there. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const headings = ['What it does', 'When to use it', 'Cost', 'Measured', 'Test'];
const pages = readdirSync(join(root, 'docs/training')).toSorted((a, b) => a.localeCompare(b));

it('the index names every page once', () => {
  const named = [...read('docs/training.md').matchAll(/\]\(training\/([^)#]+)\)/g)].map(
    ([, page = '']) => page,
  );
  expect(named.toSorted((a, b) => a.localeCompare(b))).toEqual(pages);
});

describe.each(pages)('docs/training/%s', (page) => {
  const sections = read(`docs/training/${page}`).split(/^## /m).slice(1);

  it('says what it does, when to use it, what it costs, what was measured and what tests it', () => {
    expect(sections.map((section) => section.split('\n')[0])).toEqual(headings);
    for (const section of sections) expect(section.split('\n').slice(1).join('').length).toBeGreaterThan(20);
  });

  it('names tests that are there', () => {
    const tests = [...(sections.at(-1) ?? '').matchAll(/^- `([^`]+)`: (.+)$/gm)];
    expect(tests.length).toBeGreaterThan(0);
    for (const [, file = '', title = ''] of tests) expect(read(file), `${file}: ${title}`).toContain(title);
  });
});
