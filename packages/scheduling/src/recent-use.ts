/**
 * What every queue used lately, cycle by cycle (`Engine.setRecentUse`): device time that fades with
 * its half-life, and for each start an entry penalty, as if the devices had been in use so long
 * already, so that many short starts in a row do not go for nothing.
 */
import { DecayedUse } from './decayed-use.ts';
import type { Snapshot } from './snapshot.ts';

export interface RecentUseOptions {
  readonly halfLifeMs: number;
  /** Missing = none. */
  readonly entryPenaltyMs?: number;
}

/** Devices that a job of the past held. */
interface PastUse {
  readonly queueId: string;
  readonly devices: number;
  readonly fromMs: number;
  readonly toMs: number;
}

export class RecentUse {
  readonly options: RecentUseOptions;
  readonly #use: DecayedUse;
  /** Who ran at the last look, with the start that was charged; null before the first look. */
  #running: ReadonlyMap<string, number> | null = null;

  constructor(options: RecentUseOptions, past: readonly PastUse[], nowMs: number) {
    this.options = options;
    this.#use = new DecayedUse(options.halfLifeMs);
    for (const { queueId, devices, fromMs, toMs } of past)
      this.#use.add(queueId, devices, fromMs, toMs, nowMs);
  }

  /** Parts of all devices, by queue. */
  look({ nowMs, nodes, workloads }: Snapshot): ReadonlyMap<string, number> {
    const { entryPenaltyMs = 0 } = this.options;
    const inUse = new Map<string, number>();
    const running = new Map<string, number>();
    const entries: { queueId: string; devices: number }[] = [];
    for (const { id, state, queueId, allocation = [], startedAtMs = 0 } of workloads) {
      if (state !== 'running') continue;
      const devices = allocation.reduce((sum, { deviceIds }) => sum + deviceIds.length, 0);
      inUse.set(queueId, (inUse.get(queueId) ?? 0) + devices);
      running.set(id, startedAtMs);
      if (this.#running !== null && this.#running.get(id) !== startedAtMs) entries.push({ queueId, devices });
    }
    this.#running = running;
    this.#use.advance(nowMs, inUse);
    if (entryPenaltyMs > 0)
      for (const { queueId, devices } of entries)
        this.#use.add(queueId, devices, nowMs - entryPenaltyMs, nowMs, nowMs);
    return this.#use.parts(nodes.reduce((sum, node) => sum + node.devices.length, 0));
  }
}
