/** A rollout and what the gateway saw of an endpoint, in words. */
import type { Endpoint, EndpointStats } from '@gantry/contract';
import { coloured, table } from '../output.ts';

export function describeRollout({ name, model, rollout }: Endpoint): string {
  if (rollout === undefined) return `  ${name} serves ${model}; no rollout runs`;
  const { mode, percent, automatic, verdict, evidence, compared, equal } = rollout;
  const head = `  ${name}   ${mode} ${percent} %   ${model} → ${rollout.model}   verdict: ${verdict}${automatic && mode === 'canary' ? '' : ' (yours to decide)'}`;
  const rows = evidence.map((each) => [
    each.metric,
    String(each.pairs),
    each.difference.toFixed(3),
    each.worsePValue.toPrecision(2),
    each.withinMarginPValue.toPrecision(2),
  ]);
  return [
    head,
    ...(compared === 0 ? [] : [`  ${equal} of ${compared} shadow answers were equal`]),
    ...(rows.length === 0
      ? []
      : ['', table(['metric', 'pairs', 'new − old', 'p worse', 'p not worse'], rows)]),
  ].join('\n');
}

const milliseconds = (quantiles: { readonly p50: number; readonly p99: number } | undefined): string =>
  quantiles === undefined ? '' : `${quantiles.p50.toFixed(1)} / ${quantiles.p99.toFixed(1)}`;

const percent = (share: number | undefined): string =>
  share === undefined ? '' : `${(100 * share).toFixed(1)} %`;

export function describeStats({
  inFlight,
  holding,
  queriesPerSecond,
  revisions,
  replicas,
}: EndpointStats): string {
  const head = `  ${queriesPerSecond.toFixed(1)} requests/s   ${inFlight} in progress   ${holding} waiting   ${replicas.length} replicas`;
  if (revisions.length === 0) return `${head}\n  nobody has asked since the server started`;
  return [
    head,
    '',
    table(
      [
        'revision',
        'requests',
        'errors',
        'p50/p99 ms',
        'first token',
        'between',
        'available',
        'in time',
        'tokens in/cached/out',
        'per 1000',
        'per 1000 tokens',
      ],
      revisions.map((each) => [
        each.revision,
        String(each.requests),
        each.errors === 0 ? '0' : coloured(String(each.errors)),
        milliseconds(each.requestMs),
        milliseconds(each.ttftMs),
        milliseconds(each.interTokenMs),
        percent(each.availability),
        percent(each.goodput),
        `${each.promptTokens} / ${each.cachedTokens} / ${each.completionTokens}`,
        each.costPerThousandRequests?.toPrecision(3) ?? '',
        each.costPerThousandTokens?.toPrecision(3) ?? '',
      ]),
    ),
    ...(replicas.length === 0 ? [] : ['', describeReplicas(replicas)]),
  ].join('\n');
}

/** What each replica's engine says of itself: `/stats` of a language model's, or of a tensor model's. */
function describeReplicas(replicas: EndpointStats['replicas']): string {
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
