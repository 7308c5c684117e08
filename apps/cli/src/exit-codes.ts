/** What a script can tell from `$?`. */
export const exitCodes = {
  ok: 0,
  job_failed: 1,
  usage: 2,
  refused: 3,
  not_found: 4,
  denied: 5,
  unreachable: 6,
  timeout: 7,
  internal: 70,
  interrupted: 130,
} as const;

/** The table of the help and of docs/cli.md. */
export const exitCodeMeanings: Readonly<Record<keyof typeof exitCodes, string>> = {
  ok: 'it worked; a job that was followed succeeded',
  job_failed: 'the job that was followed failed or was cancelled',
  usage: 'the command line or a file is wrong; nothing was done',
  refused: 'the server or this machine said no',
  not_found: 'there is no such thing, or it is not yours to see',
  denied: 'no key, an expired one, or one without the right',
  unreachable: 'no server answers',
  timeout: 'what was waited for did not happen in time',
  internal: 'a bug of gantry; please report it',
  interrupted: 'stopped by Ctrl-C',
};

/** Of a request that a server refused, by its HTTP status. */
export function exitCodeOfStatus(status: number | undefined): number {
  if (status === 401 || status === 403) return exitCodes.denied;
  return status === 404 ? exitCodes.not_found : exitCodes.refused;
}
