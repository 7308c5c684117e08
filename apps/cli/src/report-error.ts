/** What went wrong, told in one place: sentence and code, every problem with its place, then the way on. */
import { ApiError } from '@gantry/sdk';
import { CommanderError } from 'commander';
import { CliError } from './cli-error.ts';
import { exitCodes } from './exit-codes.ts';

export interface Report {
  readonly exitCode: number;
  /** For stderr; undefined where commander has said it already. */
  readonly text?: string;
}

export function reportError(error: unknown, asJson: boolean): Report {
  if (error instanceof CommanderError) return { exitCode: error.exitCode === 0 ? 0 : exitCodes.usage };
  if (!(error instanceof ApiError || error instanceof CliError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { exitCode: exitCodes.internal, text: asJson ? toJson('internal', text) : `  ${text}` };
  }
  const exitCode = error instanceof CliError ? error.exitCode : exitCodeOf(error);
  const { code, message, hint, problems } = error;
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

function exitCodeOf(error: ApiError): number {
  if (error.code === 'unreachable') return exitCodes.unreachable;
  if (error.status === 401 || error.status === 403) return exitCodes.denied;
  return error.status === 404 ? exitCodes.not_found : exitCodes.refused;
}

const toJson = (code: string, message: string, more: object = {}): string =>
  JSON.stringify({ error: { code, message, ...more } });
