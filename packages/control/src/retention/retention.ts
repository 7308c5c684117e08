/**
 * Removes what has outlived its time, and says so. Looks when the server starts and when something is due: no
 * timer ticks in between, so an idle server stays idle. When the calendar jumped it waits, for what looks old may
 * be young.
 */
import type { Deps } from '../deps.ts';
import type { Hub } from '../hub.ts';
import { createSerialLoop } from '../serial-loop.ts';
import { earlier } from './due.ts';
import type { KeepPolicy } from './keep-policy.ts';
import type { KeptFiles } from './kept-files.ts';
import type { Sweep, Swept } from './sweep.ts';
import { sweepBlobs } from './sweep-blobs.ts';
import { sweepReplicas } from './sweep-replicas.ts';
import { sweepRuns } from './sweep-runs.ts';
import { sweepUploads } from './sweep-uploads.ts';
import { sweepWorkers } from './sweep-workers.ts';

export interface Retention extends AsyncDisposable {
  /** Looks now. */
  sweep(): Promise<void>;
}

export interface RetentionOptions {
  readonly policy: KeepPolicy;
  readonly files: KeptFiles;
  /** Whose event tells what was removed. */
  readonly tenantId: string;
  /** Until the first look: a start has better things to do. */
  readonly firstDelayMs?: number;
}

/** In this order: what the first let go, the later find unnamed. */
const sweeps: readonly Sweep[] = [sweepWorkers, sweepRuns, sweepReplicas, sweepUploads, sweepBlobs];
/** Timers end at 2^31 ms; a look that finds nothing costs little. */
const longestDelayMs = 86_400_000;
const shortestDelayMs = 1_000;
const waitAfterJumpMs = 3_600_000;
const jumpMs = 600_000;

export function createRetention(
  deps: Deps,
  hub: Hub,
  { policy, files, tenantId, firstDelayMs = 60_000 }: RetentionOptions,
): Retention {
  let timer: NodeJS.Timeout | undefined;
  let wakeAtMs = Infinity;
  let offsetMs = deps.clock.nowMs() - deps.clock.monotonicMs();

  const wakeIn = (delayMs: number): void => {
    const bounded = Math.min(longestDelayMs, Math.max(shortestDelayMs, delayMs));
    const atMs = deps.clock.monotonicMs() + bounded;
    if (atMs >= wakeAtMs) return;
    clearTimeout(timer);
    wakeAtMs = atMs;
    timer = setTimeout(() => {
      wakeAtMs = Infinity;
      loop.poke();
    }, bounded).unref();
  };

  const loop = createSerialLoop(
    async () => {
      const nowMs = deps.clock.nowMs();
      const before = offsetMs;
      offsetMs = nowMs - deps.clock.monotonicMs();
      if (offsetMs - before > jumpMs) {
        deps.log.warn(
          { jumpedMs: Math.round(offsetMs - before) },
          'the clock jumped ahead; nothing is removed for an hour',
        );
        return wakeIn(waitAfterJumpMs);
      }
      const swept: Swept[] = [];
      for (const sweep of sweeps) swept.push(await sweep({ deps, files, policy, nowMs }));
      await report(swept);
      const nextMs = swept.map((each) => each.nextMs).reduce(earlier, undefined);
      wakeIn(nextMs === undefined ? longestDelayMs : nextMs - nowMs);
    },
    (error) => {
      deps.log.error({ error: String(error) }, 'removing what is old failed; trying again in an hour');
      wakeIn(waitAfterJumpMs);
    },
  );

  const report = async (swept: readonly Swept[]): Promise<void> => {
    const removed: Record<string, number> = {};
    for (const [what, count] of swept.flatMap((each) => Object.entries(each.removed)))
      if (count > 0) removed[what] = (removed[what] ?? 0) + count;
    if (Object.keys(removed).length === 0) return;
    const bytes = swept.reduce((sum, each) => sum + each.bytes, 0);
    deps.log.info({ removed, bytes }, 'removed what has outlived its time');
    await deps.store.tx({ platform: true }, (tx) =>
      tx.event({
        tenantId,
        kind: 'storage',
        resourceId: 'local',
        type: 'storage.swept',
        actor: 'retention',
        reason: { removed, bytes },
      }),
    );
  };

  // Something ended: it is due after the shortest age at the earliest.
  const shortestAgeMs = Math.min(longestDelayMs, ...Object.values(policy).map((ageMs) => ageMs ?? Infinity));
  const subscription = hub.on('retention', () => wakeIn(shortestAgeMs));
  wakeIn(Math.min(firstDelayMs, Math.max(shortestAgeMs, shortestDelayMs)));

  return {
    sweep: async () => {
      loop.poke();
      await loop.idle();
    },
    [Symbol.asyncDispose]: async () => {
      subscription[Symbol.dispose]();
      clearTimeout(timer);
      await loop[Symbol.asyncDispose]();
    },
  };
}
