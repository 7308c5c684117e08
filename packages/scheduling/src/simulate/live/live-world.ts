/** A cluster as the server has it, with all that its operator has set; and work of its past to be lived through again. */
import type { AheadOptions } from '../../ahead/peak-book.ts';
import type { PlanSettings } from '../../plan-settings.ts';
import type { RecentUseOptions } from '../../recent-use.ts';
import type { Rule } from '../../rules/rules.ts';
import type { RuntimeAsk } from '../../runtimes/runtime-model.ts';
import type { Snapshot, Workload } from '../../snapshot.ts';

/** What an operator sets beyond nodes and queues. */
export interface LivePolicy {
  readonly settings?: PlanSettings;
  readonly rules?: readonly Rule[];
  /** Keep capacity ahead of peaks that come with the hour of the day or week. */
  readonly ahead?: AheadOptions;
  /** What a queue used lately counts against it, half of it after each half-life. */
  readonly recentUse?: RecentUseOptions;
  /** Moving small work together for what only fits then. */
  readonly movesPerHour?: number;
}

export interface LiveWorld extends Pick<Snapshot, 'nodes' | 'queues' | 'topologyLevels'> {
  readonly policy: LivePolicy;
  /** Running all the time: replicas of endpoints. */
  readonly standing?: readonly Workload[];
}

export interface PastJob {
  /** As submitted; `createdAtMs` is when it comes. */
  readonly workload: Workload;
  /** What it has to do with all its members; with fewer it takes as much longer. */
  readonly workMs: number;
  /** Stopped, it goes on from a checkpoint; else from its beginning. */
  readonly keepsWork: boolean;
  /** Who is like it, for runtimes learned on the way. */
  readonly ask?: RuntimeAsk;
}

/** Of a second start: until it works again. */
export const RESTART_MS = 30_000;
