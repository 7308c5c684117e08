/** The few things every command does alike: a group of verbs, a verb in it, its example. */
import { type Command, InvalidArgumentError } from 'commander';

/** The group of that name, made at first use: several files may add verbs to one noun. */
export function group(program: Command, name: string, description: string): Command {
  const known = program.commands.find((each) => each.name() === name);
  if (known !== undefined) return known;
  return program.command(name).description(description).helpCommand(false);
}

/** Ends a command's help with lines that can be pasted. */
export function example(command: Command, ...lines: readonly string[]): Command {
  return command.addHelpText(
    'after',
    `\n${lines.length === 1 ? 'Example' : 'Examples'}:\n${lines.map((line) => `  ${line}`).join('\n')}`,
  );
}

/** Reads the number of an option, or says which option has none. */
export function numberOption(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value))
    throw new InvalidArgumentError(`"${text}" is no number.`);
  return value;
}

/** A whole number from one on. */
export function countOption(text: string): number {
  const value = numberOption(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError(`It must be a whole number from 1 on.`);
  return value;
}
