import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { CliError } from './cli-error.ts';
import { parseJobFile, readJobFile } from './job-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'gantry-job-file-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function refusal(action: () => unknown): CliError {
  try {
    action();
  } catch (error) {
    if (error instanceof CliError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

const problemsOf = (text: string): readonly string[] =>
  refusal(() => parseJobFile(text, 'a.yaml')).problems.map(({ path, message }) => `${path}  ${message}`);

describe('every mistake is told with its line and column', () => {
  test.each([
    [
      'a key that is nearly right',
      'command: x\nchekpoint: { keep: 2 }',
      'a.yaml:2:1  unknown key "chekpoint" — did you mean "checkpoint"?',
    ],
    [
      'a nested key that is nearly right',
      'command: x\nresources:\n  gpus: 1',
      'a.yaml:3:3  unknown key "gpus" — did you mean "gpu"?',
    ],
    [
      'a key inside a list',
      'command: x\nvolumes:\n  - { hostpath: /data, mount: /data }',
      'a.yaml:3:7  unknown key "hostpath" — did you mean "hostPath"?',
    ],
    ['a key of nowhere', 'command: x\nzzzzzzzz: 1', 'a.yaml:2:1  unknown key "zzzzzzzz"; known here: name, '],
    ['a word for a number', 'command: x\nreplicas: two', 'a.yaml:2:11  replicas: '],
    ['a number for a word', 'command: x\nqueue: 7', 'a.yaml:2:8  queue: '],
    ['half a rank', 'command: x\nreplicas: 1.5', 'a.yaml:2:11  replicas: '],
    ['no rank', 'command: x\nreplicas: 0', 'a.yaml:2:11  replicas: '],
    ['a million ranks', 'command: x\nreplicas: 1000000', 'a.yaml:2:11  replicas: '],
    ['a negative device', 'command: x\nresources: { gpu: -1 }', 'a.yaml:2:19  resources.gpu: '],
    [
      'more memory than there is in the world',
      'command: x\nresources: { memory: 99999PiB }',
      'a.yaml:2:22  resources.memory: is no size between 1 B and 1 PiB',
    ],
    ['not a number at all', 'command: x\nresources: { cpu: .nan }', 'a.yaml:2:19  resources.cpu: '],
    ['endless cores', 'command: x\nresources: { cpu: .inf }', 'a.yaml:2:19  resources.cpu: '],
    ['a time that is none', 'command: x\ntimeLimit: soon', 'a.yaml:2:12  timeLimit: is no duration'],
    ['a path as a name', 'command: x\nname: ../../etc', 'a.yaml:2:7  name: must be 1–63 lower-case'],
    [
      'train and command',
      'command: x\ntrain: { recipe: language-model, data: [a] }',
      'a.yaml:1:1  the file: ',
    ],
    [
      'neither of them',
      'name: x',
      'a.yaml:1:1  the file: a job needs exactly one of "train", "command", "convert" and "evaluate"',
    ],
    ['a list', '- command: x', 'a.yaml:1:1  the file: '],
    ['plain text', 'hello', 'a.yaml:1:1  the file: '],
    ['nothing', '', 'a.yaml:1:1  the file is empty'],
    ['only a comment', '# later', 'a.yaml:1:1  the file is empty'],
    ['the same key twice', 'command: x\ncommand: y', 'a.yaml:2:1  Map keys must be unique'],
    ['an open bracket', 'command: [a, b', 'a.yaml:1:15  '],
    ['a tab', 'resources:\n\tgpu: 1\ncommand: x', 'a.yaml:2:'],
  ])('%s', (_name, text, wanted) => {
    const problems = problemsOf(text);
    expect(
      problems.some((problem) => problem.startsWith(wanted)),
      problems.join('\n'),
    ).toBe(true);
  });

  test('all of them at once, in one answer', () => {
    expect(problemsOf('command: x\nreplicas: no\nqueue: 7\nxx: 1\nyy: 2').length).toBe(4);
  });
});

test('aliases that multiply are refused before they fill the memory', () => {
  const rows = Array.from({ length: 9 }, (_, row) =>
    row === 0
      ? 'a0: &a0 [x, x, x]'
      : `a${row}: &a${row} [${Array(9)
          .fill(`*a${row - 1}`)
          .join(', ')}]`,
  );
  expect(problemsOf(rows.join('\n'))[0]).toContain('Excessive alias count');
});

describe('files', () => {
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };

  test('paths inside one are beside it', () => {
    expect(readJobFile(write('good.yaml', 'command: ls')).workdir).toBe(folder);
  });

  test.each([
    ['one that is not there', () => join(folder, 'nowhere.yaml'), 'data_missing', 'is not there'],
    ['a directory', () => folder, 'data_missing', 'is a directory'],
    ['one of 2 MB', () => write('big.yaml', '#'.repeat(2 ** 21)), 'body_too_large', 'more than 1 MB'],
    [
      'one of zeroes',
      () => write('zero.yaml', '\u0000'.repeat(100)),
      'validation_failed',
      'nothing was submitted',
    ],
  ])('%s', (_name, path, code, message) => {
    const error = refusal(() => readJobFile(path()));
    expect([error.code, error.exitCode]).toEqual([code, 2]);
    expect(error.message).toContain(message);
  });
});
