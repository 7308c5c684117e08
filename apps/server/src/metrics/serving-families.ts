/**
 * What served models cost, hold and do inside their engines, by replica, and what drift is seen by, by revision: the
 * part of `/metrics` that the gateway alone does not know. Labels are those of its series; all have a bound.
 */
import type { ReplicaStats } from '@gantry/contract';
import { type DriftView, allRows } from '@gantry/control';
import type { Gateway, GatewaySnapshot } from '@gantry/gateway';
import type { Labels, MetricFamily } from '@gantry/kit';
import type { Platform } from '../platform.ts';
import { createReplicaWatch } from '../routes/replica-watch.ts';
import { createTokenCost } from '../serving-limits.ts';
import { driftFamilies } from './drift-families.ts';
import { counter, gauge } from './samples.ts';

type Told = Partial<ReplicaStats>;

interface ReplicaFigure {
  readonly name: string;
  readonly help: string;
  readonly make: typeof gauge;
  readonly value: (told: Told) => number | undefined;
}

const ofEngine =
  (...names: readonly string[]) =>
  ({ engine }: Told): number | undefined => {
    const known = names.find((name) => engine?.[name] !== undefined);
    return known === undefined ? undefined : engine?.[known];
  };
const ratio =
  (name: 'cpuPercent' | 'memoryPercent' | 'devicePercent') =>
  ({ [name]: percent }: Told): number | undefined =>
    percent === undefined ? undefined : percent / 100;

/** Tokens that a language model computed: read and not known already, or generated. */
const tokensComputed = ({ engine }: Told): number | undefined =>
  engine?.['steps'] === undefined
    ? undefined
    : (engine['promptTokens'] ?? 0) - (engine['cachedTokens'] ?? 0) + (engine['completionTokens'] ?? 0);

const replicaFigures: readonly ReplicaFigure[] = [
  { name: 'queued', help: 'Requests that wait inside the engine.', make: gauge, value: ofEngine('queued') },
  { name: 'running', help: 'Requests that the engine computes.', make: gauge, value: ofEngine('running') },
  {
    name: 'batches_total',
    help: 'Passes computed: batches of tensors, steps of a language model.',
    make: counter,
    value: ofEngine('batches', 'steps'),
  },
  {
    name: 'batch_rows_total',
    help: 'What they computed: rows of tensors, tokens of a language model.',
    make: counter,
    value: (told) => ofEngine('rows')(told) ?? tokensComputed(told),
  },
  {
    name: 'padded_rows_total',
    help: 'Rows that only filled fixed batches.',
    make: counter,
    value: ofEngine('paddedRows'),
  },
  {
    name: 'timed_out_total',
    help: 'Requests that waited longer in the engine than they may.',
    make: counter,
    value: ofEngine('timedOut'),
  },
  {
    name: 'kv_tokens_used',
    help: 'Tokens of keys and values in memory.',
    make: gauge,
    value: ofEngine('kvTokensUsed'),
  },
  {
    name: 'kv_tokens',
    help: 'Tokens of keys and values that there is room for.',
    make: gauge,
    value: ofEngine('kvTokensTotal'),
  },
  {
    name: 'preemptions_total',
    help: 'Sequences that gave way to another and went on later.',
    make: counter,
    value: ofEngine('preemptions'),
  },
  {
    name: 'cpu_ratio',
    help: 'Busy cores, of those that it asked for.',
    make: gauge,
    value: ratio('cpuPercent'),
  },
  {
    name: 'memory_ratio',
    help: 'Resident memory, of what it asked for.',
    make: gauge,
    value: ratio('memoryPercent'),
  },
  {
    name: 'device_ratio',
    help: 'Busy part of the devices that it holds.',
    make: gauge,
    value: ratio('devicePercent'),
  },
  {
    name: 'cost_per_hour',
    help: 'Of the cores or devices that it holds, at the price book’s prices.',
    make: gauge,
    value: ({ costPerHour }) => costPerHour,
  },
];

export function createServingFamilies(
  platform: Platform,
  gateway: Gateway,
): () => Promise<readonly MetricFamily[]> {
  const { deps, endpoints } = platform;
  const look = createReplicaWatch(platform);
  const tokenCost = createTokenCost(deps);
  return async () => {
    const { replicas, series } = gateway.stats();
    const rows = await deps.store.read({ platform: true }, (tx) => allRows(tx, 'endpoint'));
    const drift = rows.flatMap((row) =>
      endpoints.driftFigures(row.id).map((view): DriftView & { readonly labels: Labels } => ({
        ...view,
        labels: { tenant: row.tenantId, model: row.name, revision: view.revisionId },
      })),
    );
    return [
      counter(
        'gantry_gateway_token_cost_total',
        'Cost of tokens in and out at the price book’s prices; over requests or tokens it is the cost of each.',
        series.map((each) => ({ labels: revisionLabels(each), value: tokenCost(each) })),
      ),
      ...replicaFamilies(replicas, await look(replicas)),
      ...driftFamilies(drift),
    ];
  };
}

function replicaFamilies(
  replicas: GatewaySnapshot['replicas'],
  told: ReadonlyMap<string, Told>,
): readonly MetricFamily[] {
  return replicaFigures.map(({ name, help, make, value }) =>
    make(
      `gantry_replica_${name}`,
      help,
      replicas.flatMap(({ replicaId, series }) => {
        const known = value(told.get(replicaId) ?? {});
        const labels = { ...revisionLabels(series), replica: replicaId };
        return known === undefined ? [] : [{ labels, value: known }];
      }),
    ),
  );
}

/** As the gateway labels its own. */
const revisionLabels = ({ labels }: GatewaySnapshot['series'][number]): Record<string, string> => ({
  tenant: labels.tenantId,
  model: labels.endpointName,
  revision: labels.revisionId,
  version: labels.modelVersion,
});
