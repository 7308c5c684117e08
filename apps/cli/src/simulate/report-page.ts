/** The report of a simulation: one file that opens anywhere, with its table and its charts. */
import { formatDuration } from '@gantry/kit';
import { type AxisUnit, timeSteps } from './axes.ts';
import { barChart, escapeHtml, heatMap, lineChart, spanSeconds } from './charts.ts';
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

const section = (title: string, body: string): string => `<h2>${escapeHtml(title)}</h2>${body}`;

const tableOf = (heads: readonly string[], rows: readonly (readonly string[])[]): string =>
  `<table><tr>${heads.map((head) => `<th>${escapeHtml(head)}</th>`).join('')}</tr>${rows
    .map((row) => `<tr>${row.map((cell) => `<td>${escapeHtml(cell)}</td>`).join('')}</tr>`)
    .join('')}</table>`;

/** The numbers themselves, for whoever wants to read the page with a program. */
const data = (value: unknown): string =>
  `<script type="application/json" id="results">${JSON.stringify(value).replaceAll('<', '\\u003c')}</script>`;

const style = `
:root{color-scheme:light dark;--c0:#3366cc;--c1:#dc6a19;--c2:#2e8b57;--c3:#a03cae;--c4:#b8860b;--c5:#c0392b}
body{overflow-x:auto;font:15px/1.5 system-ui,sans-serif;max-width:960px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1.05rem;margin:2rem 0 .3rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.25rem .9rem .25rem 0;border-bottom:1px solid #8884}
svg{width:100%;height:auto}.tick{font-size:11px;fill:currentColor;opacity:.7}
.grid{stroke:currentColor;opacity:.15}.line{fill:none;stroke-width:1.6}.note{opacity:.75}
.line.c0{stroke:var(--c0)}.line.c1{stroke:var(--c1)}.line.c2{stroke:var(--c2)}.line.c3{stroke:var(--c3)}.line.c4{stroke:var(--c4)}.line.c5{stroke:var(--c5)}
.bar.c0{fill:var(--c0)}.bar.c1{fill:var(--c1)}.bar.c2{fill:var(--c2)}.bar.c3{fill:var(--c3)}.bar.c4{fill:var(--c4)}.bar.c5{fill:var(--c5)}
i.c0{background:var(--c0)}i.c1{background:var(--c1)}i.c2{background:var(--c2)}i.c3{background:var(--c3)}i.c4{background:var(--c4)}i.c5{background:var(--c5)}
.legend span{margin-right:1.2rem}.legend i{display:inline-block;width:.8em;height:.8em;margin-right:.4em}
.legend .shades{width:8em;margin:0 .6em;background:linear-gradient(90deg,color-mix(in srgb,var(--c0) 8%,transparent),var(--c0))}
.heat{fill:var(--c0)}.heat .ground{opacity:.08}`;

const page = (title: string, parts: readonly string[]): string =>
  `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title><style>${style}</style></head>
<body><h1>${escapeHtml(title)}</h1>
${parts.join('\n')}
</body></html>
`;
