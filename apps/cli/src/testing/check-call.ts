/** Whether a line that somebody may paste is one that the CLI takes: its words, its options, their values. */
import { type Command, InvalidArgumentError, type Option } from 'commander';

/** A `line` is pasted as it stands; a `mention` in a sentence may leave arguments and values out. */
export type CallKind = 'line' | 'mention';

/** What is wrong with `gantry WORDS…`, in a sentence; undefined where nothing is. Nothing is run. */
export function problemOfCall(
  program: Command,
  words: readonly string[],
  kind: CallKind,
): string | undefined {
  const left = [...words];
  let command = program;
  const positions: string[] = [];
  for (let word = left.shift(); word !== undefined; word = left.shift()) {
    if (word === '--') {
      positions.push(...left.splice(0));
      break;
    }
    if (isOption(word)) {
      const problem = optionProblem([...command.options, ...program.options], word, left, kind);
      if (problem !== undefined) return `${nameOf(command)}: ${problem}`;
      continue;
    }
    const name = word;
    const next = command.commands.find((each) => each.name() === name || each.aliases().includes(name));
    if (next !== undefined && positions.length === 0) command = next;
    else if (command.commands.length > 0)
      return kind === 'mention' && isPlaceholder(word) ? undefined : `${nameOf(command)} has no ${word}`;
    else positions.push(word);
  }
  return kind === 'line' ? countProblem(command, positions) : undefined;
}

function countProblem(command: Command, positions: readonly string[]): string | undefined {
  const { registeredArguments: taken, commands } = command;
  if (commands.length > 0) return `${nameOf(command)} needs a command`;
  const needed = taken.filter(({ required }) => required).length;
  const most = taken.at(-1)?.variadic === true ? Infinity : taken.length;
  if (positions.length >= needed && positions.length <= most) return undefined;
  return `${nameOf(command)} takes ${needed} to ${most} arguments, not "${positions.join(' ')}"`;
}

/** NAME, FILE, $NAME: what the reader fills in. */
const isPlaceholder = (word: string): boolean => /^\$|^[A-Z][^a-z]*$/u.test(word);

const isOption = (word: string): boolean => /^--?[a-z]/iu.test(word);

/** Takes the option's values off the rest of the line. */
function optionProblem(
  options: readonly Option[],
  word: string,
  left: string[],
  kind: CallKind,
): string | undefined {
  const [name, inline] = word.split(/=(.*)/su) as [string, string?];
  if (name === '--help' || name === '-h') return undefined;
  const option = options.find(({ long, short }) => long === name || short === name);
  if (option === undefined) return `no option ${name}`;
  if (!option.required && !option.optional) return undefined;
  const values = inline === undefined ? [] : [inline];
  while (left[0] !== undefined && !isOption(left[0]) && left[0] !== '--') {
    if (values.length > 0 && !option.variadic) break;
    values.push(left.shift() as string);
  }
  if (values.length === 0) return option.required && kind === 'line' ? `${name} needs a value` : undefined;
  return values.map((value) => valueProblem(option, value)).find((problem) => problem !== undefined);
}

function valueProblem(option: Option, value: string): string | undefined {
  if (isPlaceholder(value)) return undefined;
  if (option.argChoices !== undefined && !option.argChoices.includes(value))
    return `${option.long} takes ${option.argChoices.join(', ')}, not ${value}`;
  try {
    option.parseArg?.(value, undefined);
    return undefined;
  } catch (error) {
    if (error instanceof InvalidArgumentError) return `${option.long} ${value}: ${error.message}`;
    throw error;
  }
}

const nameOf = (command: Command): string =>
  command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;

/** What stands behind each `gantry` of a text, up to where its command ends. */
export function callsIn(text: string): readonly string[] {
  const plain = text.replaceAll(/\$\((?!gantry)[^)]*\)|\$\{[^}]*\}/gu, 'NAME');
  return plain
    .split(/(?<![\w-]|--[a-z-]+ )gantry (?=[a-z-])/u)
    .slice(1)
    .map((rest) =>
      (
        /^(?:"[^"]*"|'[^']*'|(?! [&|<>·] | && |[;,)\n]|(?<=\w)\.(?: |$)| {2})[^"'])*/u.exec(rest)?.[0] ?? ''
      ).trim(),
    );
}

/** A line's words as a shell splits them, quotes and all; what only documentation writes (brackets, ellipses) falls away. */
export function wordsOf(line: string): readonly string[] {
  const plain = line.replaceAll(/\[([^\]]*)\]/gu, '$1').replaceAll('…', '');
  return [...plain.matchAll(/(?:[^\s"']+|"[^"]*"|'[^']*')+/gu)].map(([word]) =>
    word.replaceAll(/"([^"]*)"|'([^']*)'/gu, '$1$2'),
  );
}
