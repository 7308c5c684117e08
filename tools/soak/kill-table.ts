import type { RoundResult } from '../../apps/server/src/e2e/testing/kill-rounds.ts';

/** The kill rounds as a table: one line a victim, and what went wrong in full. */
export function killTable(
  results: readonly RoundResult[],
  run: { readonly wanted: number; readonly seed: number; readonly minutes: string },
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
    `${results.length} of ${run.wanted} rounds, seed ${run.seed}, ${run.minutes} minutes, ${wrong.length} wrong.`,
    '',
    '| killed | rounds | jobs | attempts | answers | refused meanwhile | all well again after, median s | most s | wrong |',
    '|---|---|---|---|---|---|---|---|---|',
    ...rows,
    '',
    ...wrong.map((line) => `- ${line}`),
    '',
  ].join('\n');
}
