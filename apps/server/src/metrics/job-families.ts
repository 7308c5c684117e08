/** A series per running job; it ends with the job, so their number is that of the jobs that run now. */
import {
  type AttemptRecord,
  type JobSpecRecord,
  type JobStatusRecord,
  allRows,
  currentAttempt,
  heldBy,
  workerIdOf,
} from '@gantry/control';
import type { MetricFamily } from '@gantry/kit';
import type { Row } from '@gantry/ports';
import type { WorkerMeter } from '@gantry/runners';
import type { Platform } from '../platform.ts';
import { gauge } from './samples.ts';

interface Running {
  readonly row: Row;
  readonly labels: { readonly tenant: string; readonly job: string };
  readonly attempt: AttemptRecord;
}

export async function jobFamilies(platform: Platform, meter: WorkerMeter): Promise<readonly MetricFamily[]> {
  const { deps, jobs, localNode } = platform;
  const rows = await deps.store.read({ platform: true }, (tx) => allRows(tx, 'job', ['running']));
  const running: Running[] = [];
  for (const row of rows) {
    const attempt = currentAttempt(row.status as JobStatusRecord);
    if (attempt !== undefined)
      running.push({
        row,
        attempt,
        labels: { tenant: await platform.tenantName(row.tenantId), job: row.name },
      });
  }
  const uses = meter.read(running.flatMap(({ attempt }) => workersOf(attempt)));
  const readings = localNode.readings();

  const perJob = (
    name: string,
    help: string,
    value: (job: Running) => number | null | undefined,
  ): MetricFamily =>
    gauge(
      name,
      help,
      running.flatMap((job) => {
        const found = value(job);
        return typeof found === 'number' ? [{ labels: job.labels, value: found }] : [];
      }),
    );
  const perDevice = (
    name: string,
    help: string,
    value: (deviceId: string) => number | undefined,
  ): MetricFamily =>
    gauge(
      name,
      help,
      running.flatMap(({ attempt, labels }) =>
        attempt.placement.flatMap(({ rank, devices }) =>
          devices.flatMap((device) => {
            const found = value(device);
            return found === undefined
              ? []
              : [{ labels: { ...labels, rank: String(rank), device }, value: found }];
          }),
        ),
      ),
    );
  const used = ({ attempt }: Running, of: (use: { residentBytes: number; busyCores: number }) => number) => {
    const known = workersOf(attempt).flatMap((id) => uses.get(id) ?? []);
    return known.length === 0 ? undefined : known.reduce((total, use) => total + of(use), 0);
  };
  const askedCores = ({ row, attempt }: Running): number =>
    heldBy((row.spec as JobSpecRecord).job, attempt.placement).cpus;
  const progress = ({ row }: Running) => jobs.progressOf(row.id);

  return [
    perJob('gantry_job_cpu_cores', 'Busy cores of all its ranks.', (job) =>
      used(job, ({ busyCores }) => busyCores),
    ),
    perJob('gantry_job_cpu_utilisation_ratio', 'Busy cores over those it asked for.', (job) => {
      const busy = used(job, ({ busyCores }) => busyCores);
      return busy === undefined || askedCores(job) === 0 ? undefined : busy / askedCores(job);
    }),
    perJob('gantry_job_memory_bytes', 'Resident memory of all its ranks.', (job) =>
      used(job, ({ residentBytes }) => residentBytes),
    ),
    perJob('gantry_job_ranks', 'Ranks placed.', ({ attempt }) => attempt.placement.length),
    perJob('gantry_job_step', 'Step reached.', (job) => progress(job)?.step),
    perJob('gantry_job_loss', 'Training loss.', (job) => progress(job)?.loss),
    perJob('gantry_job_learning_rate', 'Learning rate.', (job) => progress(job)?.learningRate),
    perJob('gantry_job_tokens_per_second', 'Throughput.', (job) => progress(job)?.tokensPerSecond),
    perDevice('gantry_job_device_utilisation_ratio', 'Busy part of a device it holds.', (device) => {
      const percent = readings.get(device)?.utilisationPercent;
      return percent === undefined ? undefined : percent / 100;
    }),
    perDevice(
      'gantry_job_device_memory_bytes',
      'Memory in use on a device it holds.',
      (device) => readings.get(device)?.memoryUsedBytes,
    ),
  ];
}

const workersOf = (attempt: AttemptRecord): readonly string[] =>
  attempt.placement.map(({ rank }) => workerIdOf(attempt.id, rank));
