/** What a script can tell from `$?`. */
export const exitCodes = {
  ok: 0,
  job_failed: 1,
  usage: 2,
  refused: 3,
  not_found: 4,
  denied: 5,
  unreachable: 6,
  internal: 70,
} as const;
