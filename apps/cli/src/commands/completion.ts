import { Argument, type Command } from 'commander';
import { example } from '../command-group.ts';
import { bashCompletion } from '../completion/bash.ts';
import { commandTree } from '../completion/command-tree.ts';
import { fishCompletion } from '../completion/fish.ts';
import { zshCompletion } from '../completion/zsh.ts';

const shells = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

export function completionCommand(program: Command): void {
  example(
    program
      .command('completion')
      .description('Print the completion script of a shell')
      .addArgument(new Argument('<shell>', 'whose script').choices(Object.keys(shells))),
    'eval "$(gantry completion bash)"',
    'gantry completion zsh > "${fpath[1]}/_gantry"',
    'gantry completion fish > ~/.config/fish/completions/gantry.fish',
  ).action((shell: keyof typeof shells) => {
    process.stdout.write(shells[shell](commandTree(program)));
  });
}
