/**
 * What each queue used lately: device time that counts half after every half-life, as a part of what
 * the whole cluster would count if it were always in use. Known again after a restart from the jobs
 * that ended.
 */
export class DecayedUse {
  readonly #halfLifeMs: number;
  readonly #deviceMs = new Map<string, number>();
  #atMs: number | null = null;

  constructor(halfLifeMs: number) {
    this.#halfLifeMs = halfLifeMs;
  }

  get halfLifeMs(): number {
    return this.#halfLifeMs;
  }

  /** A time in the past, before the first `advance`. */
  add(queueId: string, devices: number, fromMs: number, toMs: number, nowMs: number): void {
    const counted = this.#counted(nowMs - toMs, nowMs - fromMs);
    this.#deviceMs.set(queueId, (this.#deviceMs.get(queueId) ?? 0) + devices * counted);
  }

  /** Since the last call these devices were in use, by queue. */
  advance(nowMs: number, inUse: ReadonlyMap<string, number>): void {
    const elapsedMs = this.#atMs === null ? 0 : Math.max(0, nowMs - this.#atMs);
    this.#atMs = nowMs;
    const fades = 0.5 ** (elapsedMs / this.#halfLifeMs);
    for (const [queueId, deviceMs] of this.#deviceMs) this.#deviceMs.set(queueId, deviceMs * fades);
    for (const [queueId, devices] of inUse) this.add(queueId, devices, nowMs - elapsedMs, nowMs, nowMs);
  }

  /** 1 = as if the queue had had all devices for ever. */
  parts(clusterDevices: number): ReadonlyMap<string, number> {
    const whole = Math.max(1, clusterDevices) * this.#counted(0, Infinity);
    const parts = [...this.#deviceMs].map(([queueId, deviceMs]) => [queueId, deviceMs / whole] as const);
    // Below this nobody can tell, and plans stay the same from one cycle to the next.
    return new Map(parts.filter(([, part]) => part > 1e-6));
  }

  /** Milliseconds between two ages, each counted by what is left of it. */
  #counted(youngerMs: number, olderMs: number): number {
    const per = this.#halfLifeMs / Math.LN2;
    return per * (0.5 ** (youngerMs / this.#halfLifeMs) - 0.5 ** (olderMs / this.#halfLifeMs));
  }
}
