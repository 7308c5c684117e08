/** The few things every command does alike: a group of verbs, a verb in it, its example. */
import { parseDuration } from '@gantry/kit';
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

/** How long: milliseconds of `90s`, `2m`, `1h`. */
export function durationOption(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError('Write it like 90s, 5m or 1h.');
  return ms;
}

/** A moment: as computers write it, a day, or how long ago. */
export function timeOption(text: string, _before?: unknown, nowMs: number = Date.now()): string {
  const agoMs = parseDuration(text);
  const ms = agoMs === undefined && /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : nowMs - (agoMs ?? NaN);
  if (Number.isNaN(ms))
    throw new InvalidArgumentError('Write it like 7d (so long ago), 2026-01-31 or 2026-01-31T12:00:00Z.');
  return new Date(ms).toISOString();
}
