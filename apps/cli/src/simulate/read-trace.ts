/** Trace files come from anywhere: read with a limit, and what is wrong in them told with its line. */
import { readFileSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { nearest } from '@gantry/kit';
import { TraceError } from '@gantry/scheduling/simulate';
import { CliError } from '../cli-error.ts';

const maxBytes = 512 * 1024 * 1024;

export function readTrace<T>(path: string, parse: (name: string, content: string) => T): T {
  let text: string;
  try {
    if (statSync(path).size > maxBytes)
      throw new CliError('trace_invalid', `${path} is larger than 512 MiB`, {
        hint: 'cut the trace into parts',
      });
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof CliError) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new CliError(
      'data_missing',
      code === 'ENOENT' ? `there is no file ${path}` : `${path} cannot be read: ${code ?? String(error)}`,
    );
  }
  try {
    return parse(basename(path), text);
  } catch (error) {
    if (!(error instanceof TraceError)) throw error;
    throw new CliError(error.code, error.message, { hint: error.hint });
  }
}

/** The option's value, or a refusal that tells what exists. */
export function oneOf(what: string, value: string, known: readonly string[]): string {
  if (known.includes(value)) return value;
  const guess = nearest(value, known);
  throw new CliError(
    'bad_request',
    `there is no ${what} "${value}"${guess === undefined ? '' : ` — did you mean "${guess}"?`}`,
    { hint: `one of ${known.join(', ')}` },
  );
}

export function needed<T>(name: string, value: T | undefined, forWhat: string): T {
  if (value !== undefined) return value;
  throw new CliError('bad_request', `${forWhat} needs ${name}`, { hint: 'gantry simulate --help' });
}
