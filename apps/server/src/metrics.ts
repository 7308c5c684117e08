/** `/metrics` with bounded labels, `/metrics/jobs` with a series per running job. */
import { allRows } from '@gantry/control';
import type { Gateway } from '@gantry/gateway';
import { type MetricFamily, writeMetrics } from '@gantry/kit';
import type { Platform } from './platform.ts';

export interface Metrics {
  platform(): Promise<string>;
  jobs(): Promise<string>;
}

export function createMetrics(platform: Platform, gateway: Gateway): Metrics {
  const { deps, scheduler } = platform;
  return {
    platform: async () => {
      const counts = await deps.store.read({ platform: true }, (tx) => tx.countByState('job'));
      const memory = process.memoryUsage();
      const families: MetricFamily[] = [
        {
          name: 'gantry_jobs',
          help: 'Jobs by state.',
          type: 'gauge',
          samples: Object.entries(counts).map(([state, value]) => ({ labels: { state }, value })),
        },
        {
          name: 'gantry_scheduler_cycles_total',
          help: 'Scheduling cycles since start.',
          type: 'counter',
          samples: [{ value: scheduler.stats.cycles }],
        },
        {
          name: 'gantry_scheduler_failures_total',
          help: 'Scheduling cycles that failed.',
          type: 'counter',
          samples: [{ value: scheduler.stats.failures }],
        },
        {
          name: 'gantry_scheduler_last_cycle_seconds',
          help: 'Duration of the last cycle.',
          type: 'gauge',
          samples: [{ value: scheduler.stats.lastMs / 1000 }],
        },
        {
          name: 'gantry_workloads_waiting',
          help: 'Waiting workloads by reason.',
          type: 'gauge',
          samples: Object.entries(scheduler.stats.waitingByReason).map(([reason, value]) => ({
            labels: { reason },
            value,
          })),
        },
        {
          name: 'process_resident_memory_bytes',
          help: 'Resident memory of the server.',
          type: 'gauge',
          samples: [{ value: memory.rss }],
        },
        ...gateway.stats().families,
      ];
      return writeMetrics(families);
    },
    jobs: async () => {
      const rows = await deps.store.read({ platform: true }, (tx) => allRows(tx, 'job', ['running']));
      const gauge = (
        name: string,
        help: string,
        value: (jobId: string) => number | null | undefined,
      ): MetricFamily => ({
        name,
        help,
        type: 'gauge',
        samples: rows.flatMap((row) => {
          const found = value(row.id);
          return typeof found === 'number' ? [{ labels: { job: row.name }, value: found }] : [];
        }),
      });
      const of = (jobId: string) => platform.jobs.progressOf(jobId);
      return writeMetrics([
        gauge('gantry_job_step', 'Step reached.', (id) => of(id)?.step),
        gauge('gantry_job_loss', 'Training loss.', (id) => of(id)?.loss),
        gauge('gantry_job_tokens_per_second', 'Throughput.', (id) => of(id)?.tokensPerSecond),
        gauge('gantry_job_learning_rate', 'Learning rate.', (id) => of(id)?.learningRate),
      ]);
    },
  };
}
