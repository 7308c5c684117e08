import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createProgram } from '../program.ts';
import { bashCompletion } from './bash.ts';
import { commandTree } from './command-tree.ts';
import { fishCompletion } from './fish.ts';
import { zshCompletion } from './zsh.ts';

const tree = commandTree(createProgram());
const has = (program: string): boolean => spawnSync(program, ['--version']).error === undefined;

/** What bash would offer after these words; the last is being typed. */
function offered(...words: readonly string[]): readonly string[] {
  const script = `${bashCompletion(tree)}
COMP_WORDS=(gantry ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}
_gantry; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = spawnSync('bash', ['--norc', '-c', script], { encoding: 'utf8', cwd: '/' });
  expect(stderr).toBe('');
  return stdout.trim().split('\n');
}

describe.runIf(has('bash'))('bash offers', () => {
  test('groups and commands', () => {
    expect(offered('')).toEqual(expect.arrayContaining(['up', 'job', 'model', 'completion']));
    expect(offered('jo')).toEqual(['job']);
  });
  test('the verbs of a group, aliases too', () => {
    expect(offered('job', 's')).toEqual(['submit', 'show', 'suspend', 'schema']);
    expect(offered('queue', 'tr')).toEqual(['tree']);
  });
  test('options of the command and those of all', () => {
    expect(offered('job', 'run', '--')).toEqual(expect.arrayContaining(['--cpus', '--gpus', '--json']));
  });
  test('the choices of an option, after it', () => {
    expect(offered('usage', '--by', 'q')).toEqual(['queue']);
  });
  test('the verb although options with values stand before it', () => {
    expect(offered('--tenant', 'job', 'queue', 'cr')).toEqual(['create']);
  });
  test('files where a file is wanted, and after --', () => {
    expect(offered('job', 'submit', 'et')).toContain('etc');
    expect(offered('job', 'run', '--', 'et')).toContain('etc');
  });
  test('nothing that is not there', () => {
    expect(offered('job', 'zz')).toEqual(['']);
  });
});

describe('zsh and fish', () => {
  test('name every command with its description', () => {
    for (const { path, verbs } of tree)
      for (const { name } of verbs) {
        expect(zshCompletion(tree), path).toContain(`'${name}:`);
        expect(fishCompletion(tree), path).toContain(` -a ${name} -d `);
      }
  });
  test('quote what a shell would read otherwise', () => {
    const odd = [
      {
        path: '',
        description: '',
        verbs: [{ name: 'a', description: "it's $HOME: `x`" }],
        options: [],
        takesFiles: false,
      },
    ];
    expect(zshCompletion(odd)).toContain("'a:it'\\''s $HOME: `x`'");
    expect(fishCompletion(odd)).toContain("'it\\'s $HOME: `x`'");
  });
  test.runIf(has('zsh'))('zsh reads its script', () => {
    expect(spawnSync('zsh', ['-n'], { input: zshCompletion(tree), encoding: 'utf8' }).stderr).toBe('');
  });
  test.runIf(has('fish'))('fish offers what fits the words before', () => {
    const dir = mkdtempSync(join(tmpdir(), 'gantry-fish-'));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const script = join(dir, 'gantry.fish');
    writeFileSync(script, fishCompletion(tree));
    const offer = (line: string): readonly string[] =>
      spawnSync('fish', ['--no-config', '-c', `source ${script}; complete -C ${JSON.stringify(line)}`], {
        encoding: 'utf8',
        cwd: '/',
      })
        .stdout.split('\n')
        .map((each) => each.split('\t')[0] ?? '');
    expect(offer('gantry job s')).toEqual(expect.arrayContaining(['submit', 'show', 'schema']));
    expect(offer('gantry job s')).not.toContain('status');
    expect(offer('gantry job run --cp')).toContain('--cpus');
    expect(offer('gantry usage --by q')).toContain('queue');
    expect(offer('gantry job submit /et')).toContain('/etc/');
  });
});
