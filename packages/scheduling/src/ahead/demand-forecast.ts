/**
 * How many devices a queue will want, learned from what it wanted before: the highest demand of each hour,
 * smoothed over the same hour of earlier weeks, else of earlier days (seasonal exponential smoothing,
 * Holt–Winters without trend). Said less by the mean error, so that an unsteady hour promises little.
 */
const HOUR_MS = 3_600_000;
const DAY_HOURS = 24;
const WEEK_HOURS = 7 * DAY_HOURS;
/** How much the newest counts. */
const NEWEST = 0.5;
/** An hour that was seen less often promises nothing. */
const LEAST_SEEN = 2;

interface Season {
  level: number;
  error: number;
  seen: number;
}

const nothing = (): Season => ({ level: 0, error: 0, seen: 0 });

class QueueDemand {
  readonly #ofDay = Array.from({ length: DAY_HOURS }, nothing);
  readonly #ofWeek = Array.from({ length: WEEK_HOURS }, nothing);
  #hour: number;
  #now: number;
  #highest: number;

  constructor(hour: number) {
    this.#hour = hour;
    this.#now = 0;
    this.#highest = 0;
  }

  /** Hours that have passed are learned, the silent ones with what was wanted all along. */
  advance(hour: number): void {
    // Two weeks of silence teach all there is to learn.
    if (hour - this.#hour > 2 * WEEK_HOURS) this.#hour = hour - 2 * WEEK_HOURS;
    for (; this.#hour < hour; this.#hour++) {
      learn(this.#ofDay[this.#hour % DAY_HOURS]!, this.#highest);
      learn(this.#ofWeek[this.#hour % WEEK_HOURS]!, this.#highest);
      this.#highest = this.#now;
    }
  }

  wants(devices: number): void {
    this.#now = devices;
    this.#highest = Math.max(this.#highest, devices);
  }

  expected(hour: number): number {
    const week = this.#ofWeek[hour % WEEK_HOURS]!;
    const season = week.seen >= LEAST_SEEN ? week : this.#ofDay[hour % DAY_HOURS]!;
    return season.seen < LEAST_SEEN ? 0 : Math.max(0, season.level - season.error);
  }

  /** Over the hours of the day. */
  usual(): number {
    return this.#ofDay.reduce((sum, { level }) => sum + level, 0) / DAY_HOURS;
  }
}

function learn(season: Season, highest: number): void {
  const miss = Math.abs(highest - season.level);
  if (season.seen > 0) season.error += (season.seen === 1 ? 1 : NEWEST) * (miss - season.error);
  season.level = season.seen === 0 ? highest : season.level + NEWEST * (highest - season.level);
  season.seen++;
}

export class DemandForecast {
  readonly #queues = new Map<string, QueueDemand>();

  /** What the queue uses and waits for from this moment on. Moments never go back. */
  observe(queueId: string, nowMs: number, devices: number): void {
    const hour = Math.floor(nowMs / HOUR_MS);
    let queue = this.#queues.get(queueId);
    if (queue === undefined) {
      queue = new QueueDemand(hour);
      this.#queues.set(queueId, queue);
    }
    queue.advance(hour);
    queue.wants(devices);
  }

  get queueIds(): Iterable<string> {
    return this.#queues.keys();
  }

  /** What it wants in the mean of a day: more than that is a peak. */
  usual(queueId: string): number {
    return this.#queues.get(queueId)?.usual() ?? 0;
  }

  /** By hour, from the hour of `nowMs` to the one that `untilMs` is in. */
  hours(
    queueId: string,
    nowMs: number,
    untilMs: number,
  ): { fromMs: number; untilMs: number; devices: number }[] {
    const queue = this.#queues.get(queueId);
    const hours = [];
    for (let hour = Math.floor(nowMs / HOUR_MS); hour * HOUR_MS < untilMs; hour++)
      hours.push({
        fromMs: hour * HOUR_MS,
        untilMs: (hour + 1) * HOUR_MS,
        devices: queue?.expected(hour) ?? 0,
      });
    return hours;
  }
}
