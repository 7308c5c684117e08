import type { Command } from 'commander';

/** The help that is nearest to what was typed: of the last word that names a command. */
export function helpCommandFor(program: Command, words: readonly string[]): string {
  const path = [program.name()];
  let found = program;
  for (const word of words) {
    const next = found.commands.find((each) => each.name() === word || each.aliases().includes(word));
    if (next === undefined) continue;
    found = next;
    path.push(next.name());
  }
  return `${path.join(' ')} --help`;
}
