/**
 * Offered load some seconds from now, and how wrong such forecasts have been: exponential smoothing with a damped
 * linear trend (Holt; Gardner & McKenzie 1985), and a seasonal profile once a whole season has been seen.
 */
export interface ForecastOptions {
  /** How far ahead: the time that a new replica takes to be ready. */
  readonly leadSeconds: number;
  /** Length of the season (a day, a week); absent: none. */
  readonly seasonSeconds?: number;
}

const smoothingSeconds = 45;
const trendSeconds = 300;
/** A trend is believed less the further ahead, or a burst would be drawn out into the sky. */
const dampingPerSecond = 0.95;
const seasonBuckets = 288;

export class DemandForecast {
  #leadSeconds: number;
  readonly #seasonSeconds: number | undefined;
  #level = 0;
  #slow = 0;
  #second = 0;
  #squaredError = 0;
  readonly #due: number[] = [];
  readonly #season: (number | undefined)[] = Array.from({ length: seasonBuckets }, () => undefined);

  constructor(options: ForecastOptions) {
    this.#leadSeconds = options.leadSeconds;
    this.#seasonSeconds = options.seasonSeconds;
  }

  /** From now on so far: replicas were seen to take longer, or not as long. */
  lookAhead(seconds: number): void {
    this.#leadSeconds = seconds;
    // Forecasts for moments that are further off than we look now have no use.
    this.#due.splice(0, Math.max(0, this.#due.length - seconds));
  }

  /** One observation a second, in any unit of load; the forecast is in the same. */
  observe(demand: number): void {
    const adjusted = demand - this.#seasonAt(this.#second);
    this.#learnSeason(demand);
    if (this.#second === 0) {
      this.#level = adjusted;
      this.#slow = adjusted;
    }
    // Faster at first: the very first second must not count for a minute.
    this.#level += (adjusted - this.#level) / Math.min(this.#second + 1, smoothingSeconds);
    this.#slow += (adjusted - this.#slow) / Math.min(this.#second + 1, trendSeconds);
    this.#second++;
    const due = this.#due.length >= this.#leadSeconds ? this.#due.shift() : undefined;
    if (due !== undefined) {
      // Against the smoothed level: the spread within a minute is the queue's business, not the forecast's.
      const error = this.#level + this.#seasonAt(this.#second) - due;
      this.#squaredError += (error * error - this.#squaredError) / Math.min(this.#second, 600);
    }
    this.#due.push(this.mean());
  }

  /** Expected load after the lead time. */
  mean(): number {
    const leadSeconds = this.#leadSeconds;
    // Two averages of different memory lag a ramp by the difference of their memories: that gives its slope.
    const slope =
      (this.#level - this.#slow) /
      Math.max(1, Math.min(this.#second, trendSeconds) - Math.min(this.#second, smoothingSeconds));
    const lag = Math.min(this.#second, smoothingSeconds);
    const reach = (1 - dampingPerSecond ** (leadSeconds + lag)) / (1 - dampingPerSecond);
    return Math.max(0, this.#level + slope * reach + this.#seasonAt(this.#second + leadSeconds));
  }

  /** Variance of the forecast around what came. */
  variance(): number {
    return this.#squaredError;
  }

  #learnSeason(demand: number): void {
    const bucket = this.#bucketOf(this.#second);
    if (bucket === undefined) return;
    const known = this.#season[bucket];
    this.#season[bucket] = known === undefined ? demand : known + (demand - known) * 0.02;
  }

  #bucketOf(second: number): number | undefined {
    const seasonSeconds = this.#seasonSeconds;
    return seasonSeconds === undefined
      ? undefined
      : Math.floor(((second % seasonSeconds) / seasonSeconds) * seasonBuckets);
  }

  /** Zero until a whole season has passed: half a profile misleads. */
  #seasonAt(second: number): number {
    const seasonSeconds = this.#seasonSeconds;
    const bucket = this.#bucketOf(second);
    if (seasonSeconds === undefined || bucket === undefined || this.#second < seasonSeconds) return 0;
    return this.#season[bucket] ?? 0;
  }
}
