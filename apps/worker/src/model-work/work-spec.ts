/** What is the same for all work on models: its spec, and how it ends. */
import { readFile } from 'node:fs/promises';
import { EvaluationError } from '@gantry/conversion';
import { FormatError } from '@gantry/formats';
import { EngineError } from '@gantry/engines/error';
import { WorkError } from './work-error.ts';
import { report } from './work-reports.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const exitCodes = { done: 0, user: 64, internal: 70 } as const;

/** As the platform or the command line wrote it: both checked it by the contract. */
export async function readWorkSpec<Spec>(env: Environment): Promise<Spec> {
  return JSON.parse(await readFile(env['GANTRY_SPEC_FILE'] ?? '', 'utf8')) as Spec;
}

/** Runs it; what the user can put right is told as a fault, and its sentence on stderr. */
export async function finishWork(env: Environment, work: () => Promise<void>): Promise<number> {
  try {
    await work();
    return exitCodes.done;
  } catch (error) {
    const known =
      error instanceof WorkError ||
      error instanceof EvaluationError ||
      error instanceof FormatError ||
      error instanceof EngineError;
    if (!known) {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
      return exitCodes.internal;
    }
    const { code, message, hint } = error;
    await report(env, { type: 'fault', code, message, ...(hint === undefined ? {} : { hint }) });
    process.stderr.write(`${hint === undefined ? message : `${message}; ${hint}`}\n`);
    return exitCodes.user;
  }
}
