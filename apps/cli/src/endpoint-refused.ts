import { CliError } from './cli-error.ts';
import { exitCodeOfStatus } from './exit-codes.ts';

/** What an endpoint answered instead of an answer; without a status it broke off in the middle. */
export const endpointRefused = (message: string, status?: number): CliError =>
  new CliError('endpoint_failed', message, {
    exitCode: exitCodeOfStatus(status),
    hint: 'look: gantry endpoint list',
  });

/** OpenAI's dialect puts the sentence into `error.message`, the Open Inference Protocol into `error`. */
export function sentenceOf(body: string): string {
  try {
    const { error } = JSON.parse(body) as { error?: string | { message: string } };
    return typeof error === 'string' ? error : (error?.message ?? body);
  } catch {
    return body.slice(0, 300);
  }
}
