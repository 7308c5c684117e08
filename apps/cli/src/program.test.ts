import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { createProgram } from './program.ts';
import { callsIn, problemOfCall, wordsOf } from './testing/check-call.ts';

function everyCommand(
  command: Command,
  path: readonly string[] = [],
): readonly (readonly [string, Command])[] {
  const here = [...path, command.name()];
  return [
    [here.join(' '), command] as const,
    ...command.commands.flatMap((each) => everyCommand(each, here)),
  ];
}

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (piece) => (text += piece) });
  command.outputHelp();
  return text;
}

const program = createProgram();
const commands = everyCommand(program).slice(1);

describe('every command', () => {
  test.each(commands)('%s: its help has an example of itself', (path, command) => {
    const examples = helpOf(command).split(/\nExamples?:\n/)[1] ?? '';
    expect(examples).toContain(path);
  });

  test.each(commands)('%s: examples name commands and options that exist', (_path, command) => {
    const examples = helpOf(command).split(/\nExamples?:\n/)[1] ?? '';
    const calls = callsIn(examples);
    expect(calls).not.toEqual([]);
    expect(calls.flatMap((call) => problemOfCall(program, wordsOf(call), 'line') ?? [])).toEqual([]);
  });

  test.each(commands)(
    '%s: every option with a value says so, and every command what it does',
    (_p, command) => {
      expect(command.description()).not.toBe('');
      for (const option of command.options) expect(option.description, option.flags).not.toBe('');
    },
  );

  test('lists and shows can be watched', () => {
    const lists = commands.filter(([path]) => / (list|show)$/.test(path) && path !== 'gantry key show');
    expect(lists.length).toBeGreaterThan(8);
    for (const [path, command] of lists)
      expect(
        command.options.map(({ long }) => long),
        path,
      ).toContain('--watch');
  });
});

test('the help ends with the exit codes and the first steps', () => {
  const help = helpOf(program);
  expect(help).toContain('   4  there is no such thing');
  expect(help).toContain('gantry up --detach');
});
