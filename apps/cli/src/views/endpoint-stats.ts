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
  ].join('\n');
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
    ['replica', 'in progress', 'queued', 'cpu', 'memory', 'device', 'keys and values', 'rows a batch'],
    replicas.map(({ id, inFlight, cpuPercent, memoryPercent, devicePercent, engine = {} }) => [
      id,
      String(inFlight),
      String(engine['queued'] ?? ''),
      ...[cpuPercent, memoryPercent, devicePercent].map((each) => percent(each && each / 100)),
      engine['kvTokensTotal'] === undefined
        ? ''
        : `${engine['kvTokensUsed'] ?? 0} / ${engine['kvTokensTotal']} tokens`,
      engine['batches'] === undefined || engine['batches'] === 0
        ? ''
        : ((engine['rows'] ?? 0) / engine['batches']).toFixed(1),
    ]),
  );
}

const levels = '▁▂▃▄▅▆▇█';

/** A bar a value, in eighths of the largest. */
export function sparkline(values: readonly number[]): string {
  const most = Math.max(...values, 1);
  return values.map((value) => levels[Math.round((value / most) * (levels.length - 1))]).join('');
}
