/** Every line of the documentation, and of our own hints, that begins with `gantry` is one that can be pasted. */
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createProgram } from './program.ts';
import { type CallKind, callsIn, problemOfCall, wordsOf } from './testing/check-call.ts';

const root = resolve(import.meta.dirname, '..', '..', '..');
const program = createProgram();
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** `a|b` stands for both. */
function everyWay(words: readonly string[]): readonly (readonly string[])[] {
  const at = words.findIndex((word) => /^[a-z-]+(\|[a-z-]+)+$/u.test(word));
  if (at === -1) return [words];
  return (words[at] ?? '').split('|').flatMap((word) => everyWay(words.with(at, word)));
}

function problemsOf(calls: readonly string[], kind: CallKind): readonly string[] {
  return calls.flatMap((call) =>
    everyWay(wordsOf(call)).flatMap((words) => {
      const problem = problemOfCall(program, words, kind);
      return problem === undefined ? [] : [`gantry ${call}: ${problem}`];
    }),
  );
}

const pages = ['README.md', 'CONTRIBUTING.md', ...globSync('docs/{*,training/*}.md', { cwd: root })];

describe.each(pages)('%s', (page) => {
  const text = read(page);
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```/gmsu)].map(([, block]) => block ?? '');
  const fenced = blocks.flatMap((block) =>
    callsIn(block.replaceAll(/\\\n\s*/gu, ' ').replaceAll(/\s#\s.*/gu, '')),
  );
  const spans = [...text.replaceAll(/^```.*?^```/gmsu, '').matchAll(/`(?:\.\/)?gantry ([^`]*)`/gu)];

  test('its command lines can be pasted', () => {
    expect(problemsOf(fenced, 'line')).toEqual([]);
    expect(
      problemsOf(
        spans.map(([, call]) => call ?? ''),
        'mention',
      ),
    ).toEqual([]);
  });
});

test('command lines in hints and messages of the source exist', () => {
  const files = globSync('{apps,packages}/*/src/**/*.ts', { cwd: root }).filter(
    (file) => !/\.test\.ts$|\/testing\//u.test(file),
  );
  const known = new Set(program.commands.map((each) => each.name()));
  const problems = files.flatMap((file) => {
    const strings = [...read(file).matchAll(/['`][^'`\n]*gantry [^'`\n]*['`]/gu)].map(([text]) => text);
    const calls = strings
      .flatMap((text) => callsIn(text.slice(1, -1)))
      .map((call) => call.split(/: | or | and /u)[0] ?? '');
    const ours = calls.filter((call) => known.has(wordsOf(call)[0] ?? ''));
    return problemsOf(ours, 'mention').map((problem) => `${file}: ${problem}`);
  });
  expect(problems).toEqual([]);
});
