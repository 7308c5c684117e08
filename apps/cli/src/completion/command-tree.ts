/** The commands as plain data: all that a shell's completion needs to know of them. */
import type { Command } from 'commander';

export interface CommandNode {
  /** Words after `gantry`, like `job submit`; the root has none. */
  readonly path: string;
  readonly description: string;
  readonly verbs: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly CompletionOption[];
  /** Takes a file or directory as its argument. */
  readonly takesFiles: boolean;
}

export interface CompletionOption {
  readonly long: string;
  readonly description: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
}

export function commandTree(program: Command): readonly CommandNode[] {
  const global = optionsOf(program);
  const walk = (command: Command, path: readonly string[]): readonly CommandNode[] => [
    {
      path: path.join(' '),
      description: command.description(),
      verbs: command.commands.flatMap((each) =>
        [each.name(), ...each.aliases()].map((name) => ({ name, description: each.description() })),
      ),
      options: command === program ? global : [...optionsOf(command), ...global],
      takesFiles: command.registeredArguments.some((argument) =>
        /file|path|dir|command/i.test(argument.name()),
      ),
    },
    ...command.commands.flatMap((each) =>
      [each.name(), ...each.aliases()].flatMap((name) => walk(each, [...path, name])),
    ),
  ];
  return walk(program, []);
}

function optionsOf(command: Command): readonly CompletionOption[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .flatMap((option) =>
      option.long === null || option.long === undefined
        ? []
        : [
            {
              long: option.long,
              description: option.description,
              takesValue: option.required || option.optional,
              choices: option.argChoices ?? [],
            },
          ],
    );
}
