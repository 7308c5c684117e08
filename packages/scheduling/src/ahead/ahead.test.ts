/** Capacity kept ahead of peaks: learned by the hour, kept from who would still run then, released when nobody comes. */
import { expect, test } from 'vitest';
import { planCycle } from '../plan-cycle.ts';
import { describeReason } from '../reason.ts';
import { node, queue, snapshot, workload } from '../scenario.ts';
import { dailyPeaks, LONG_QUEUE, MORNING_QUEUE } from '../simulate/history/daily-peaks.ts';
import { replayHistory } from '../simulate/history/replay-history.ts';
import type { ExpectedPeak, Workload } from '../snapshot.ts';
import { DemandForecast } from './demand-forecast.ts';
import { PeakBook } from './peak-book.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** Every morning at nine so many devices for an hour. */
function mornings(devices: readonly number[], note: (atMs: number, devices: number) => void): void {
  for (const [day, count] of devices.entries()) {
    note(day * DAY_MS, 0);
    note(day * DAY_MS + 9 * HOUR_MS, count);
    note(day * DAY_MS + 10 * HOUR_MS - 1, 0);
  }
}

const nine = (forecast: DemandForecast, day: number): number =>
  forecast.hours('q', day * DAY_MS + 9 * HOUR_MS, day * DAY_MS + 10 * HOUR_MS)[0]!.devices;

test('an hour promises what it brought, less the mean error; once is not enough', () => {
  const after = (...devices: number[]): number => {
    const forecast = new DemandForecast();
    mornings(devices, (atMs, count) => forecast.observe('q', atMs, count));
    forecast.observe('q', devices.length * DAY_MS, 0);
    return nine(forecast, devices.length);
  };
  expect(after(12)).toBe(0);
  expect(after(12, 12, 12)).toBe(12);
  expect(after(12, 0, 12, 0)).toBe(0);
  expect(after(12, 12, 12, 0, 0, 0, 0, 0)).toBeLessThan(1);
});

test('an hour of the week that was seen twice counts for more than the hour of the day', () => {
  const forecast = new DemandForecast();
  const mondaysOnly = Array.from({ length: 21 }, (_, day) => (day % 7 === 4 ? 20 : 0));
  mornings(mondaysOnly, (atMs, count) => forecast.observe('q', atMs, count));
  forecast.observe('q', 21 * DAY_MS, 0);
  expect([nine(forecast, 25), nine(forecast, 26)]).toEqual([20, 0]);
});

test('a peak is kept within the horizon, and released when nobody comes', () => {
  const book = new PeakBook(new DemandForecast(), { horizonMs: 2 * HOUR_MS, mostPart: 0.5 });
  mornings([12, 12, 12], (atMs, count) => book.observe('q', atMs, count));
  const kept = (atMs: number, wanted = 0, devices = 64): number => {
    book.observe('q', 3 * DAY_MS + atMs, wanted);
    const peaks = book.expected(3 * DAY_MS + atMs, devices).get('q') ?? [];
    return Math.max(0, ...peaks.map((peak) => peak.devices));
  };
  expect(kept(6 * HOUR_MS)).toBe(0);
  expect(kept(7 * HOUR_MS + MINUTE_MS)).toBe(12);
  expect(kept(7 * HOUR_MS + MINUTE_MS, 0, 10)).toBe(5);
  expect(kept(9 * HOUR_MS + 10 * MINUTE_MS)).toBe(12);
  expect(kept(9 * HOUR_MS + 20 * MINUTE_MS, 3)).toBe(3);
  expect(kept(9 * HOUR_MS + 30 * MINUTE_MS, 1)).toBe(3);
});

test('what is wanted at all hours is no peak', () => {
  const book = new PeakBook(new DemandForecast(), { horizonMs: 2 * HOUR_MS, mostPart: 0.5 });
  for (let hour = 0; hour < 96; hour++) book.observe('q', hour * HOUR_MS, 30 + (hour % 3));
  expect([...book.expected(96 * HOUR_MS, 64)]).toEqual([]);
});

const NOW_MS = 100 * HOUR_MS;

function starts(expected: ExpectedPeak, workloads: Workload[]): { placed: string[]; why: string[] } {
  const { placements, waiting } = planCycle(
    snapshot({
      nowMs: NOW_MS,
      nodes: [node('n1', 8)],
      queues: [queue('peak', { expected: [expected] }), queue('other')],
      workloads,
    }),
  );
  return {
    placed: placements.map(({ workloadId }) => workloadId),
    why: waiting.map(({ reasons }) => describeReason(reasons[0]!)),
  };
}

test('who would still run then leaves the devices; who is done before, has waited too long, or is the queue itself does not', () => {
  const peak = { devices: 6, fromMs: NOW_MS + HOUR_MS, untilMs: NOW_MS + 2 * HOUR_MS };
  const other = (id: string, hours: number, createdAtMs = NOW_MS): Workload =>
    workload(id, { queueId: 'other', devices: 4, runtimeEstimateMs: hours * HOUR_MS, createdAtMs });
  expect(starts(peak, [other('long', 3)])).toEqual({
    placed: [],
    why: [
      '6 devices are kept for queue peak, which is expected to need them from 1970-01-05T05:00:00.000Z to 1970-01-05T06:00:00.000Z; work that is done by then may start.',
    ],
  });
  expect(starts(peak, [other('short', 0.5)]).placed).toEqual(['short']);
  expect(starts(peak, [other('small', 3), workload('own', { queueId: 'peak', devices: 4 })]).placed).toEqual([
    'own',
  ]);
  expect(starts(peak, [other('patient', 3, NOW_MS - 41 * HOUR_MS)]).placed).toEqual(['patient']);
  expect(starts({ ...peak, fromMs: 0, untilMs: NOW_MS }, [other('long', 3)]).placed).toEqual(['long']);
});

test('mornings wait half as long where their peaks are expected', () => {
  const jobs = dailyPeaks({ seed: 2, days: 10, clusterDevices: 64 });
  const cluster = { nodes: 8, devicesPerNode: 8, queues: [MORNING_QUEUE, LONG_QUEUE] };
  const blind = replayHistory(jobs, cluster);
  const ahead = replayHistory(jobs, { ...cluster, ahead: { horizonMs: 2 * HOUR_MS, mostPart: 0.5 } });
  expect(ahead.waitSecondsOf[MORNING_QUEUE]).toBeLessThan(blind.waitSecondsOf[MORNING_QUEUE]! / 2);
  expect(ahead.waitSecondsOf[LONG_QUEUE]).toBeLessThan(1.6 * blind.waitSecondsOf[LONG_QUEUE]!);
  expect(ahead.unfinished).toBe(0);
});
