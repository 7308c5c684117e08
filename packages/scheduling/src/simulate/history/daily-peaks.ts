/**
 * A made-up past of two queues: people who come in every morning and want devices at once, and long work
 * that comes at all hours and fills whatever is free. What is kept ahead of the mornings shows here.
 */
import { createRandom } from '@gantry/kit';
import type { HistoryJob } from './generated-history.ts';

const HOUR = 3600;
const MORNING_HOUR = 9;

export interface DailyPeaks {
  seed: number;
  days: number;
  clusterDevices: number;
  /** Devices that are wanted in the morning, as a part of the cluster's. */
  peakPart?: number;
  /** Devices that the long work asks for in the mean, as a part of the cluster's. */
  load?: number;
}

export const MORNING_QUEUE = 'morning';
export const LONG_QUEUE = 'long';

export function dailyPeaks({
  seed,
  days,
  clusterDevices,
  peakPart = 0.4,
  load = 0.8,
}: DailyPeaks): HistoryJob[] {
  const random = createRandom(seed);
  const jobs: Omit<HistoryJob, 'id'>[] = [];
  const add = (queue: string, arrivalSeconds: number, devices: number, runSeconds: number): void => {
    const name = `${queue}-${devices}`;
    jobs.push({
      user: queue,
      name,
      queue,
      arrivalSeconds,
      members: 1,
      devices,
      runSeconds,
      limitSeconds: 3 * runSeconds,
    });
  };
  for (let day = 0; day < days; day++)
    for (let count = Math.round(clusterDevices * peakPart * (0.9 + 0.2 * random.next())); count > 0; count--)
      add(
        MORNING_QUEUE,
        (24 * day + MORNING_HOUR + 0.5 * random.next()) * HOUR,
        1,
        HOUR * (1 + random.next()),
      );
  const meanSeconds = 5 * HOUR;
  const meanDevices = 3;
  const gapSeconds = (meanSeconds * meanDevices) / (clusterDevices * load);
  for (let at = 0; at < days * 24 * HOUR; at += -Math.log(1 - random.next()) * gapSeconds)
    add(LONG_QUEUE, at, random.pick([1, 2, 2, 4, 6]), meanSeconds * (0.4 + 1.2 * random.next()));
  return jobs
    .sort((a, b) => a.arrivalSeconds - b.arrivalSeconds)
    .map((job, index) => ({ id: `job-${String(index).padStart(6, '0')}`, ...job }));
}
