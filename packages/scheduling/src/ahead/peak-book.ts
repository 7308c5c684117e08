/**
 * Which peaks capacity is kept for now (`QueueNode.expected`). A peak is looked for within the horizon;
 * one that does not come is released: a while after its hour has begun no more is kept than the queue
 * has asked for in it.
 */
import type { ExpectedPeak } from '../snapshot.ts';
import type { DemandForecast } from './demand-forecast.ts';

export interface AheadOptions {
  /** How far ahead work that would still run then is held back. */
  horizonMs: number;
  /** At most this part of all devices is kept, over all queues. */
  mostPart: number;
}

const GRACE_MS = 15 * 60_000;
/** What is wanted at all hours is no peak: fair shares see to that. */
const PEAK_FACTOR = 1.5;
/** Less is not worth keeping. */
const LEAST_DEVICES = 1;

export class PeakBook {
  readonly #forecast: DemandForecast;
  readonly #options: AheadOptions;
  /** The highest demand seen in the hour under way, by queue. */
  readonly #seen = new Map<string, { hourMs: number; devices: number }>();

  constructor(forecast: DemandForecast, options: AheadOptions) {
    this.#forecast = forecast;
    this.#options = options;
  }

  /** What the queue uses and waits for now. */
  observe(queueId: string, nowMs: number, devices: number): void {
    this.#forecast.observe(queueId, nowMs, devices);
    const hourMs = Math.floor(nowMs / 3_600_000) * 3_600_000;
    const before = this.#seen.get(queueId);
    const highest = before?.hourMs === hourMs ? Math.max(before.devices, devices) : devices;
    this.#seen.set(queueId, { hourMs, devices: highest });
  }

  /** Peaks by queue, with what is kept for each; queues without are not named. */
  expected(nowMs: number, allDevices: number): Map<string, ExpectedPeak[]> {
    const { horizonMs, mostPart } = this.#options;
    const peaks = new Map<string, ExpectedPeak[]>();
    let highest = 0;
    for (const queueId of this.#forecast.queueIds) {
      const usual = this.#forecast.usual(queueId);
      const coming = this.#forecast
        .hours(queueId, nowMs, nowMs + horizonMs)
        .filter(({ devices }) => devices >= PEAK_FACTOR * usual)
        .map((hour) => ({ ...hour, devices: Math.floor(this.#stillDue(queueId, hour, nowMs)) }))
        .filter(({ devices }) => devices >= LEAST_DEVICES);
      if (coming.length === 0) continue;
      peaks.set(queueId, coming);
      highest += Math.max(...coming.map(({ devices }) => devices));
    }
    const part = Math.min(1, (mostPart * allDevices) / Math.max(1, highest));
    if (part === 1) return peaks;
    return new Map(
      [...peaks].map(([queueId, hours]) => [
        queueId,
        hours.map((hour) => ({ ...hour, devices: Math.floor(hour.devices * part) })),
      ]),
    );
  }

  #stillDue(queueId: string, { fromMs, devices }: ExpectedPeak, nowMs: number): number {
    if (nowMs < fromMs + GRACE_MS) return devices;
    const seen = this.#seen.get(queueId);
    return Math.min(devices, seen?.hourMs === fromMs ? seen.devices : 0);
  }
}
