/** What went wrong, told in one place: sentence and code, every problem with its place, then the way on. */
import type { ErrorProblem } from '@gantry/contract';
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
  if (asJson)
    return {
      exitCode,
      text: toJson(code, withoutProblems(error.message, problems) || error.message, { hint, problems }),
    };
  const message = withoutProblems(error.message, problems) || 'this does not fit';
  const isSaid = problems.some((problem) => problem.hint === hint);
  const lines = [
    ...problems.map(
      (problem) =>
        `  ${problem.path}  ${problem.message}${problem.hint === undefined ? '' : ` — ${problem.hint}`}`,
    ),
    `  ${message}   [${code}]`,
    ...(hint === undefined || isSaid ? [] : [`  ${hint}`]),
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

/** The server's sentence repeats its first problem for those who read nothing else; the list has it already. Empty where it is all there is. */
function withoutProblems(message: string, [first]: readonly ErrorProblem[]): string {
  const cut = first === undefined ? -1 : message.indexOf(first.message);
  if (first === undefined || cut < 0) return message;
  const before = message.slice(0, cut).replace(/:? *$/, '');
  return (before.endsWith(first.path) ? before.slice(0, -first.path.length) : before).replace(/:? *$/, '');
}

function exitCodeOf(error: ApiError): number {
  if (error.code === 'unreachable' || error.code === 'untrusted') return exitCodes.unreachable;
  return exitCodeOfStatus(error.status);
}

const toJson = (code: string, message: string, more: object = {}): string =>
  JSON.stringify({ error: { code, message, ...more } });
