import type { ErrorProblem } from '@gantry/contract';
import { exitCodes } from './exit-codes.ts';

/** A "no" of the CLI itself, told like the server's. */
export class CliError extends Error {
  readonly code: string;
  readonly hint: string | undefined;
  readonly problems: readonly ErrorProblem[];
  readonly exitCode: number;

  constructor(
    code: string,
    message: string,
    options: { hint?: string; problems?: readonly ErrorProblem[]; exitCode?: number } = {},
  ) {
    super(message);
    this.name = 'CliError';
    this.code = code;
    this.hint = options.hint;
    this.problems = options.problems ?? [];
    this.exitCode = options.exitCode ?? exitCodes.usage;
  }
}
