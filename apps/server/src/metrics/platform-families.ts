/** The platform as a whole. No label names a person, a job or a tenant: the number of series has a bound. */
import { statfs } from 'node:fs/promises';
import { GantryError, endpointStates, jobStates, nodeStates } from '@gantry/contract';
import { type NodeSpecRecord, allRows } from '@gantry/control';
import type { MetricFamily } from '@gantry/kit';
import type { Store } from '@gantry/ports';
import type { Platform } from '../platform.ts';
import { byLabel, counter, gauge } from './samples.ts';

export async function platformFamilies({
  deps,
  scheduler,
  dataDir,
  s3Cache,
}: Platform): Promise<readonly MetricFamily[]> {
  const { store } = deps;
  const { stats } = scheduler;
  const disk = await statfs(dataDir);
  const cached = await s3Cache.facts();
  return [
    gauge('gantry_store_up', '1 while the database answers.', store.health().ok ? 1 : 0),
    counter('gantry_store_statements_total', 'Statements sent to the database.', store.stats.statements),
    gauge('gantry_data_free_bytes', 'Free where the data directory lies.', disk.bavail * disk.bsize),
    gauge(
      'gantry_data_size_bytes',
      'Size of the file system of the data directory.',
      disk.blocks * disk.bsize,
    ),
    gauge('gantry_s3_cache_bytes', 'Objects of S3 that lie on this node.', cached.bytes),
    gauge('gantry_s3_cache_limit_bytes', 'What they may take (--s3-cache).', s3Cache.limitBytes),
    counter('gantry_s3_fetched_bytes_total', 'Bytes that came from S3 into the cache.', cached.fetchedBytes),
    counter('gantry_s3_cache_served_bytes_total', 'Bytes asked for that lay there.', cached.servedBytes),
    counter('gantry_scheduler_cycles_total', 'Scheduling cycles since start.', stats.cycles),
    counter('gantry_scheduler_failures_total', 'Scheduling cycles that failed.', stats.failures),
    counter('gantry_scheduler_placements_total', 'Workloads placed.', stats.placements),
    counter('gantry_scheduler_evictions_total', 'Workloads that had to give way.', stats.evictions),
    gauge('gantry_scheduler_last_cycle_seconds', 'Duration of the last cycle.', stats.lastMs / 1000),
    gauge(
      'gantry_workloads_waiting',
      'Waiting workloads by reason; one may have several.',
      byLabel('reason', stats.waitingByReason),
    ),
    gauge(
      'gantry_queue_workloads_waiting',
      'Waiting workloads by queue; beyond 100 queues the rest are summed up as others.',
      byLabel('queue', stats.waitingByQueue),
    ),
    gauge(
      'gantry_policy_workloads_waiting',
      'Waiting workloads by the order of their queue.',
      byLabel('policy', stats.waitingByPolicy),
    ),
    counter(
      'gantry_scheduler_evictions_by_reason_total',
      'Workloads that had to give way, by why.',
      byLabel('reason', stats.evictionsByReason),
    ),
    ...(await storedFamilies(store)),
  ];
}

/** Nothing of these while the database is away: no number is better than a wrong one. */
async function storedFamilies(store: Store): Promise<readonly MetricFamily[]> {
  try {
    return await store.read({ platform: true }, async (tx) => {
      const nodes = await allRows(tx, 'node');
      const count = async (name: string, kind: string, states: readonly string[]): Promise<MetricFamily> =>
        gauge(name, `${kind}s by state.`, byLabel('state', await tx.countByState(kind), states));
      return [
        await count('gantry_jobs', 'job', jobStates),
        await count('gantry_endpoints', 'endpoint', endpointStates),
        await count('gantry_replicas', 'replica', []),
        await count('gantry_nodes', 'node', nodeStates),
        ...capacityFamilies(nodes.map(({ spec }) => spec as NodeSpecRecord)),
      ];
    });
  } catch (error) {
    if (error instanceof GantryError && error.code === 'store_unavailable') return [];
    throw error;
  }
}

function capacityFamilies(nodes: readonly NodeSpecRecord[]): readonly MetricFamily[] {
  const devices: Record<string, number> = {};
  for (const { model, healthy } of nodes.flatMap((node) => node.devices)) {
    const key = JSON.stringify([model, healthy ? 'fit' : 'sick']);
    devices[key] = (devices[key] ?? 0) + 1;
  }
  const sum = (of: (node: NodeSpecRecord) => number): number =>
    nodes.reduce((total, node) => total + of(node), 0);
  return [
    gauge('gantry_capacity_cpus', 'CPUs of all machines.', sum(({ cpuMilli }) => cpuMilli) / 1000),
    gauge(
      'gantry_capacity_memory_bytes',
      'Memory of all machines.',
      sum(({ memoryBytes }) => memoryBytes),
    ),
    gauge(
      'gantry_capacity_devices',
      'Accelerators by model and health.',
      Object.entries(devices).map(([key, value]) => {
        const [model, health] = JSON.parse(key) as [string, string];
        return { labels: { model, health }, value };
      }),
    ),
  ];
}
