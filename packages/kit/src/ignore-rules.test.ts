import { describe, expect, it } from 'vitest';
import { parseIgnoreRules } from './ignore-rules.ts';

describe('ignore rules', () => {
  /** Rules → paths left out, paths kept; a trailing slash marks a folder. Each agrees with git check-ignore. */
  const table: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ['*.pyc', ['a.pyc', 'deep/b.pyc'], ['a.py', 'pyc']],
    ['build/', ['build/', 'x/build/'], ['build', 'builder/']],
    ['/build', ['build', 'build/'], ['x/build']],
    ['doc/*.txt', ['doc/a.txt'], ['doc/x/a.txt', 'x/doc/a.txt']],
    ['**/logs', ['logs/', 'a/logs', 'a/b/logs/'], ['alogs']],
    ['logs/**', ['logs/a', 'logs/b/c'], ['alogs/a']],
    ['a/**/b', ['a/b', 'a/x/b', 'a/x/y/b'], ['ab', 'a/xb']],
    ['*.log\n!keep.log', ['a.log'], ['keep.log', 'x/keep.log']],
    ['# note\n\n  \n\\#real', ['#real'], ['note']],
    ['file?.[ch]', ['file1.c', 'file2.h'], ['file.c', 'file1.o', 'file/.c']],
    ['[!a]x', ['bx'], ['ax', '/x']],
    ['a+b(c).txt', ['a+b(c).txt'], ['aab(c).txt']],
    ['trailing   ', ['trailing'], ['trailing   ']],
    ['wei\\ rd', ['wei rd'], ['wei\\ rd']],
    ['*', ['a', '.hidden'], []],
  ];
  it.each(table)('%j', (text, ignored, kept) => {
    const rules = parseIgnoreRules(text);
    const isIgnored = (path: string): boolean => rules.ignores(path.replace(/\/$/, ''), path.endsWith('/'));
    expect(ignored.filter((path) => !isIgnored(path))).toEqual([]);
    expect(kept.filter(isIgnored)).toEqual([]);
  });
});
