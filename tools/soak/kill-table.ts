import type { RoundResult } from '../../apps/server/src/e2e/testing/kill-rounds.ts';

const intro = [
  '# Kill rounds',
  '',
  'Written by `node tools/soak.ts --report docs/soak.md`.',
  '',
  'In each round a gang of two ranks, a job that fails once by its own fault, a short command and, every other time, a',
  'training of two ranks run on one data directory while a served model is asked all the while; at a random moment one',
  'process gets SIGKILL (`machine`: all of them at once, the server too). Then: every accepted job has ended as it should,',
  'with no more attempts than the kill may cost; no rank ran twice in an attempt, as their own diaries tell; no more was',
  'held at any moment than there is, as the events tell; the ledger holds exactly the seconds of the attempts and every',
  'token that was answered; no process is left that nobody needs.',
  '',
] as const;

/** The kill rounds as a page: what was done, one line a victim, and what went wrong in full. */
export function killTable(
  results: readonly RoundResult[],
  run: {
    readonly wanted: number;
    readonly worlds: number;
    readonly seed: number;
    readonly minutes: string;
  },
): string {
  const kinds = [...new Set(results.map(({ victim }) => victim))];
  const rows = kinds.map((victim) => {
    const mine = results.filter((result) => result.victim === victim);
    const recovered = mine.map(({ recoveredMs }) => recoveredMs).sort((one, other) => one - other);
    const sum = (of: (result: RoundResult) => number): number =>
      mine.reduce((total, result) => total + of(result), 0);
    const cells = [
      victim,
      mine.length,
      sum(({ jobs }) => jobs),
      sum(({ attempts }) => attempts),
      sum(({ answers }) => answers),
      sum(({ refusals }) => refusals),
      ((recovered[Math.floor(recovered.length / 2)] ?? 0) / 1_000).toFixed(1),
      ((recovered.at(-1) ?? 0) / 1_000).toFixed(1),
      sum(({ wrong }) => wrong.length),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  const wrong = results.flatMap((result) => result.wrong);
  return [
    ...intro,
    `${results.length} of ${run.wanted} rounds on ${run.worlds} platforms side by side, seed ${run.seed}, ${run.minutes} minutes, ${wrong.length} wrong.`,
    '',
    '| killed | rounds | jobs | attempts | answers | refused meanwhile | all well again after, median s | most s | wrong |',
    '|---|---|---|---|---|---|---|---|---|',
    ...rows,
    '',
    ...wrong.map((line) => `- ${line}`),
    '',
  ].join('\n');
}
