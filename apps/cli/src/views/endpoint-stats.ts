/** What the gateway saw of an endpoint, in tables: by revision, by replica, and how busy the last minute was. */
import type { EndpointStats } from '@gantry/contract';
import { countOf } from '@gantry/kit';
import { coloured, table } from '../output.ts';

type ReplicaStats = EndpointStats['replicas'][number];
interface Quantiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

const milliseconds = (quantiles: Quantiles | undefined): string =>
  quantiles === undefined
    ? ''
    : [quantiles.p50, quantiles.p95, quantiles.p99].map((each) => shortMs(each)).join(' / ');

/** Three digits are as much as buckets know. */
const shortMs = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

const percent = (share: number | undefined): string =>
  share === undefined ? '' : `${(100 * share).toFixed(1)} %`;

const money = (cost: number | undefined): string => cost?.toPrecision(3) ?? '';
const failed = (errors: number): string => (errors === 0 ? '0' : coloured(String(errors)));

/** In the currency of `gantry usage`. */
const costHeads = ['cost per 1000', 'per 1000 tokens'];

const latencyHeads = ['p50/p95/p99 ms', 'first token', 'between'];
const latencies = ({
  requestMs,
  ttftMs,
  interTokenMs,
}: Pick<ReplicaStats, 'requestMs' | 'ttftMs' | 'interTokenMs'>): string[] =>
  [requestMs, ttftMs, interTokenMs].map(milliseconds);

export function describeStats({
  inFlight,
  holding,
  queriesPerSecond,
  arrivals,
  revisions,
  replicas,
  drift = [],
}: EndpointStats): string {
  const head = `  ${queriesPerSecond.toFixed(1)} requests/s   ${inFlight} in progress   ${holding} waiting   ${countOf(replicas.length, 'replica')}`;
  if (revisions.length === 0) return `${head}\n  nobody has asked since the server started`;
  const most = Math.max(...arrivals, 0);
  return [
    head,
    ...(most === 0 ? [] : [`  last minute ${sparkline(arrivals)} at most ${most} a second`]),
    '',
    table(
      [
        'revision',
        'model',
        'requests',
        'errors',
        ...latencyHeads,
        'available',
        'in time',
        'tokens in/cached/out',
        ...costHeads,
      ],
      revisions.map((each) => [
        each.revision,
        each.model,
        String(each.requests),
        failed(each.errors),
        ...latencies(each),
        percent(each.availability),
        percent(each.goodput),
        tokens(each),
        money(each.costPerThousandRequests),
        money(each.costPerThousandTokens),
      ]),
    ),
    ...(replicas.length === 0 ? [] : ['', served(replicas), '', used(replicas)]),
    ...drift.flatMap((each) => ['', driftText(each)]),
  ].join('\n');
}

/** Of many features, those that a reader of a table takes in. */
const shownFeatures = 8;

function driftText(drift: NonNullable<EndpointStats['drift']>[number]): string {
  const { revision, window, windows, filled, partlyRead, features, featuresLeftOut } = drift;
  const missed = partlyRead === 0 ? '' : `   ${countOf(partlyRead, 'request')} partly read`;
  const progress =
    windows === 0
      ? `drift of ${revision}: nothing compared yet, ${countOf(filled, 'request')} in a window of ${window}`
      : `drift of ${revision}: ${countOf(windows, 'window')} of ${window} requests compared`;
  const head = `  ${progress}${missed}`;
  if (features.length === 0) return head;
  const shown = features.slice(0, shownFeatures);
  const rest = features.length - shown.length + featuresLeftOut;
  const rows = shown.map(({ feature, hasDrifted, decidedBy, figures, threshold, pValue }) => [
    feature,
    hasDrifted ? coloured('drifted') : '',
    `${decidedBy} ${(figures[decidedBy] ?? 0).toPrecision(2)} of ${threshold}`,
    pValue.toPrecision(2),
    Object.entries(figures)
      .filter(([name]) => name !== decidedBy)
      .map(([name, value]) => `${name} ${value.toPrecision(2)}`)
      .join(', '),
  ]);
  const more = rest === 0 ? [] : [`  ${rest} more, further from drifting`];
  return [head, table(['feature', '', 'counts from', 'chance', 'also'], rows), ...more].join('\n');
}

const tokens = (each: Pick<ReplicaStats, 'promptTokens' | 'cachedTokens' | 'completionTokens'>): string =>
  `${each.promptTokens} / ${each.cachedTokens} / ${each.completionTokens}`;

/** What each replica answered since it serves, and what its machine cost meanwhile. */
function served(replicas: readonly ReplicaStats[]): string {
  return table(
    [
      'replica',
      'revision',
      'requests',
      'errors',
      ...latencyHeads,
      'tokens in/cached/out',
      'cost an hour',
      ...costHeads,
    ],
    replicas.map((each) => [
      each.id,
      each.revision,
      String(each.requests),
      failed(each.errors),
      ...latencies(each),
      tokens(each),
      money(each.costPerHour),
      money(each.costPerThousandRequests),
      money(each.costPerThousandTokens),
    ]),
  );
}

/** What each replica is doing now: its share of its machine, and what its engine says of itself. */
function used(replicas: readonly ReplicaStats[]): string {
  return table(
    ['replica', 'in progress', 'queued', 'cpu', 'memory', 'device', 'keys and values', 'a batch'],
    replicas.map(({ id, inFlight, cpuPercent, memoryPercent, devicePercent, engine = {} }) => [
      id,
      String(inFlight),
      String(engine['queued'] ?? ''),
      ...[cpuPercent, memoryPercent, devicePercent].map((each) => percent(each && each / 100)),
      engine['kvTokensTotal'] === undefined
        ? ''
        : `${engine['kvTokensUsed'] ?? 0} / ${engine['kvTokensTotal']} tokens`,
      batchText(engine),
    ]),
  );
}

/** Rows that a tensor model joins, of how many it found worth joining, and what of them is padding; tokens a pass of an LLM. */
function batchText(engine: Readonly<Record<string, number>>): string {
  const { batches = 0, rows = 0, rowsWorthJoining, waste = 0, lengthWaste = 0, steps = 0 } = engine;
  if (batches > 0) {
    const mean = rows / batches;
    const most = rowsWorthJoining === undefined || rowsWorthJoining < mean ? '' : ` of ${rowsWorthJoining}`;
    const padding = 1 - (1 - waste) * (1 - lengthWaste);
    return `${mean.toFixed(1)}${most} rows${padding === 0 ? '' : `, ${percent(padding)} padding`}`;
  }
  if (steps === 0) return '';
  const { promptTokens = 0, cachedTokens = 0, completionTokens = 0 } = engine;
  return `${((promptTokens - cachedTokens + completionTokens) / steps).toFixed(1)} tokens`;
}

const levels = '▁▂▃▄▅▆▇█';

/** A bar a value, in eighths of the largest. */
export function sparkline(values: readonly number[]): string {
  const most = Math.max(...values, 1);
  return values.map((value) => levels[Math.round((value / most) * (levels.length - 1))]).join('');
}
