/** The report of a simulation: one file that opens anywhere, with its table and its charts. */
import { formatDuration } from '@gantry/kit';
import { data, escapeHtml, page, section, tableOf } from '../html-page.ts';
import { type AxisUnit, timeSteps } from './axes.ts';
import { barChart, heatMap, lineChart, spanSeconds } from './charts.ts';
import { type OpenbReport, openbHeads, openbRow } from './openb.ts';
import type { ReplayView } from './replay-view.ts';
import { type Replayed, queueRows, replayHeads, replayRow } from './replays.ts';

const percent: AxisUnit = { format: (share) => `${Math.round(100 * share)} %`, most: 1, steps: [0.25] };
const duration: AxisUnit = { format: (seconds) => formatDuration(seconds * 1000), steps: timeSteps };
const count: AxisUnit = { format: (value) => Math.round(value).toLocaleString('en-US'), steps: [1] };

export function replayPage(title: string, replayed: readonly Replayed[], notes: readonly string[]): string {
  const seen = replayed.filter((each): each is Seen => each.view !== undefined);
  const byQueue = queueRows(replayed);
  return page(title, [
    tableOf(replayHeads, replayed.map(replayRow)),
    ...(byQueue === undefined ? [] : [tableOf(byQueue.heads, byQueue.rows)]),
    ...notes.map((note) => `<p class="note">${escapeHtml(note)}</p>`),
    section(
      'Wait and completion time',
      barChart(
        replayed.map(({ result }) => result.policy),
        [
          { label: 'mean wait', values: replayed.map(({ result }) => result.averageQueueSeconds) },
          { label: 'mean completion', values: replayed.map(({ result }) => result.averageJctSeconds) },
        ],
        duration,
      ),
    ),
    ...(byQueue === undefined ? [] : [waitsByQueue(replayed, byQueue.heads.slice(1))]),
    ...(seen.length === 0 ? [] : overTime(seen)),
    data(replayed.map(({ result }) => result)),
  ]);
}

/** What only a replay shows that somebody looked on. */
function overTime(seen: readonly Seen[]): readonly string[] {
  const over = (values: (each: Seen) => readonly number[]): Parameters<typeof lineChart>[0] =>
    seen.map((each) => ({
      name: each.result.policy,
      values: values(each),
      columnSeconds: each.view.columnSeconds,
    }));
  const seconds = spanSeconds(over(({ view }) => view.utilisation));
  const sizes = [...new Set(seen.flatMap(({ view }) => view.waitsBySize.map(({ size }) => size)))];
  return [
    section(
      'Jobs waiting, over time',
      lineChart(
        over(({ view }) => view.waitingJobs),
        count,
      ),
    ),
    section(
      'Utilisation, over time',
      lineChart(
        over(({ view }) => view.utilisation),
        percent,
      ),
    ),
    section(
      'Mean wait by devices of the job (and how many there were)',
      barChart(
        seen.map(({ result }) => result.policy),
        sizes.map((size) => ({
          label: `${size} (${countOf(seen, size)})`,
          values: seen.map(
            ({ view }) => view.waitsBySize.find((each) => each.size === size)?.meanWaitSeconds ?? 0,
          ),
        })),
        duration,
      ),
    ),
    ...seen.map(({ result, view }) =>
      section(
        `Devices in use, node by node: ${result.policy}`,
        heatMap(view.heat, view.columnSeconds, { rowNames: view.heatRows, seconds }),
      ),
    ),
  ];
}

const countOf = (seen: readonly Seen[], size: string): string =>
  Math.max(
    ...seen.map(({ view }) => view.waitsBySize.find((each) => each.size === size)?.jobs ?? 0),
  ).toLocaleString('en-US');

function waitsByQueue(replayed: readonly Replayed[], names: readonly string[]): string {
  const waitOf = ({ queues = [] }: Replayed, name: string): number =>
    queues.find(({ queue }) => queue === name)?.averageQueueSeconds ?? 0;
  return section(
    'Mean wait by queue',
    barChart(
      replayed.map(({ result }) => result.policy),
      names.map((name) => ({ label: name, values: replayed.map((each) => waitOf(each, name)) })),
      duration,
    ),
  );
}

type Seen = Replayed & { readonly view: ReplayView };

export function openbPage(title: string, report: OpenbReport): string {
  const { fragmentedPercentAt: at } = report;
  return page(title, [
    tableOf(openbHeads, [openbRow(report)]),
    section(
      'Allocated and fragmented, % of the devices',
      barChart(
        [report.placement],
        [
          { label: 'allocated at 100 % asked', values: [report.allocationPercentAt100.mean] },
          { label: 'fragmented at 80 %', values: [at['80']] },
          { label: 'fragmented at 90 %', values: [at['90']] },
          { label: 'fragmented at 100 %', values: [at['100']] },
        ],
        { format: (value) => `${value.toFixed(0)} %`, most: 100, steps: [25] },
      ),
    ),
    data(report),
  ]);
}
