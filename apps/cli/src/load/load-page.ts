/** A load run as one page: its table, what it was like from beginning to end, and how its latencies are spread. */
import { countOf } from '@gantry/kit';
import { data, escapeHtml, page, section, tableOf } from '../html-page.ts';
import type { AxisUnit } from '../simulate/axes.ts';
import { lineChart, quantileChart } from '../simulate/charts.ts';
import type { LoadReport, Objectives, Spread } from './load-report.ts';
import type { LoadRun, SentAnswer } from './run-load.ts';

const milliseconds: AxisUnit = {
  format: (value) => (value >= 1_000 ? `${value / 1_000} s` : `${value} ms`),
};
const count: AxisUnit = { format: (value) => String(value), steps: [1] };
/** Of the pictures over time. */
const mostColumns = 100;

export function loadPage(
  title: string,
  { answers, seconds }: LoadRun,
  report: LoadReport,
  objectives: Objectives,
): string {
  const fine = answers.filter(({ failure }) => failure === undefined);
  const columns = Math.min(mostColumns, Math.max(1, Math.ceil(seconds)));
  const columnSeconds = seconds / columns;
  const column = (at: number): number => Math.min(columns - 1, Math.floor(at / 1_000 / columnSeconds));
  const over = (of: (answer: SentAnswer) => number | undefined, share: number): readonly number[] => {
    const values = Array.from({ length: columns }, (): number[] => []);
    for (const answer of fine) {
      const value = of(answer);
      if (value !== undefined) values[column(answer.sentMs)]?.push(value);
    }
    let last = 0;
    // Nothing was sent in a column: the line goes on where it was.
    return values.map((each) => (last = at(each, share) ?? last));
  };
  const tokens = new Array<number>(columns).fill(0);
  for (const answer of fine) {
    const ended = column(answer.sentMs + answer.endMs);
    tokens[ended] = (tokens[ended] ?? 0) + answer.answerTokens / columnSeconds;
  }
  const series = (name: string, values: readonly number[]) => ({ name, values, columnSeconds });
  return page(title, [
    tableOf(
      ['milliseconds', 'mean', 'p50', 'p95', 'p99'],
      [
        row('first token', report.ttftMs),
        row('between tokens', report.itlMs),
        row('request', report.requestMs),
      ],
    ),
    `<p class="note">${escapeHtml(sentence(report, objectives))}</p>`,
    ...(report.unanswered > 0
      ? [`<p class="note">Stopped early: ${countOf(report.unanswered, 'request')} left.</p>`]
      : []),
    ...Object.entries(report.failures).map(
      ([reason, failed]) => `<p class="note">${failed} × ${escapeHtml(reason)}</p>`,
    ),
    section(
      'First token, by when it was asked for',
      lineChart(
        [
          series(
            'median',
            over(({ ttftMs }) => ttftMs, 0.5),
          ),
          series(
            'slowest',
            over(({ ttftMs }) => ttftMs, 1),
          ),
        ],
        milliseconds,
      ),
    ),
    section('Tokens answered, a second', lineChart([series('tokens/s', tokens)], count)),
    section(
      'How latencies are spread',
      quantileChart(
        [
          { name: 'first token', values: fine.flatMap(({ ttftMs }) => ttftMs ?? []) },
          { name: 'between tokens', values: fine.flatMap(({ gapsMs }) => gapsMs) },
        ].filter(({ values }) => values.length > 0),
        milliseconds,
      ),
    ),
    data(report),
  ]);
}

function sentence(report: LoadReport, { ttftMs, itlMs }: Objectives): string {
  const { requests, seconds, answerTokensPerSecond, goodShare, goodPerSecond } = report;
  return `${countOf(requests, 'request')} in ${seconds.toFixed(1)} s, ${answerTokensPerSecond.toFixed(0)} tokens/s; ${(goodShare * 100).toFixed(1)} % within ${ttftMs} ms to the first token and ${itlMs} ms between (${goodPerSecond.toFixed(1)}/s)`;
}

const row = (name: string, spread: Spread | undefined): readonly string[] =>
  spread === undefined
    ? [name, '–', '–', '–', '–']
    : [name, ...[spread.mean, spread.p50, spread.p95, spread.p99].map((value) => value.toFixed(1))];

function at(values: readonly number[], share: number): number | undefined {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}
