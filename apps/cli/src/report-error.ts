/** What went wrong, told in one place: sentence and code, every problem with its place, then the way on. */
import { ApiError } from '@gantry/sdk';
import { CommanderError } from 'commander';
import { CliError } from './cli-error.ts';
import { exitCodeOfStatus, exitCodes } from './exit-codes.ts';

export interface Report {
  readonly exitCode: number;
  /** For stderr; undefined where commander has said it already. */
  readonly text?: string;
}

export function reportError(error: unknown, asJson: boolean, helpCommand = 'gantry --help'): Report {
  if (error instanceof CommanderError) return commandLineReport(error, asJson, helpCommand);
  if (!(error instanceof ApiError || error instanceof CliError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { exitCode: exitCodes.internal, text: asJson ? toJson('internal', text) : `  ${text}` };
  }
  const exitCode = error instanceof CliError ? error.exitCode : exitCodeOf(error);
  const { code, hint, problems } = error;
  const message = withoutProblems(error.message, problems);
  if (asJson) return { exitCode, text: toJson(code, message, { hint, problems }) };
  const lines = [
    ...problems.map(
      (problem) =>
        `  ${problem.path}  ${problem.message}${problem.hint === undefined ? '' : ` — ${problem.hint}`}`,
    ),
    `  ${message}   [${code}]`,
    ...(hint === undefined ? [] : [`  ${hint}`]),
  ];
  return { exitCode, text: lines.join('\n') };
}

/** Commander prints help by itself; what is wrong with a command line is told as everything else is. */
function commandLineReport(error: CommanderError, asJson: boolean, helpCommand: string): Report {
  if (error.exitCode === 0) return { exitCode: exitCodes.ok };
  if (error.code === 'commander.help') return { exitCode: exitCodes.usage };
  const message = error.message.replace(/^error: /, '');
  if (asJson) return { exitCode: exitCodes.usage, text: toJson('usage', message, { hint: helpCommand }) };
  return {
    exitCode: exitCodes.usage,
    text: `  ${message.replaceAll('\n', ' ')}   [usage]\n  ${helpCommand}`,
  };
}

/** The server's sentence repeats its first problem for those who read nothing else; the list has it already. */
function withoutProblems(message: string, problems: readonly { readonly message: string }[]): string {
  const cut = problems[0] === undefined ? -1 : message.indexOf(problems[0].message);
  if (cut <= 0) return message;
  return message.slice(0, cut).replace(/:? ?[\w.[\]-]*:? ?$/, '') || message;
}

function exitCodeOf(error: ApiError): number {
  if (error.code === 'unreachable' || error.code === 'untrusted') return exitCodes.unreachable;
  return exitCodeOfStatus(error.status);
}

const toJson = (code: string, message: string, more: object = {}): string =>
  JSON.stringify({ error: { code, message, ...more } });
