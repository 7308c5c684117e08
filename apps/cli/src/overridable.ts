import type { Command } from 'commander';

/** Of a command that gives a version traffic or a name. */
export interface Overriding {
  readonly override?: string;
}

export const overridable = (command: Command): Command =>
  command.option('--override <REASON>', 'let a version through that its gate holds back (admins)');
