/**
 * Removes what has outlived its time, and says so. Looks when the server starts and when something is due: no
 * timer ticks in between, so an idle server stays idle. When the calendar jumped it waits, for what looks old may
 * be young.
 */
import type { Deps } from '../deps.ts';
import type { Hub } from '../hub.ts';
import { createJumpGuard } from '../jump-guard.ts';
import { createSerialLoop } from '../serial-loop.ts';
import { createWakeTimer } from '../wake-timer.ts';
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
const dayMs = 86_400_000;
const hourMs = 3_600_000;

export function createRetention(
  deps: Deps,
  hub: Hub,
  { policy, files, tenantId, firstDelayMs = 60_000 }: RetentionOptions,
): Retention {
  const guard = createJumpGuard(deps.clock);
  const loop = createSerialLoop(
    async () => {
      const nowMs = deps.clock.nowMs();
      const distrustMs = guard.distrustMs();
      if (distrustMs > 0) {
        deps.log.warn({ distrustMs }, 'the clock jumped ahead; nothing is removed for a while');
        return timer.wakeIn(distrustMs);
      }
      const swept: Swept[] = [];
      for (const sweep of sweeps) swept.push(await sweep({ deps, files, policy, nowMs }));
      await report(swept);
      const nextMs = swept.map((each) => each.nextMs).reduce(earlier, undefined);
      timer.wakeIn(nextMs === undefined ? dayMs : nextMs - nowMs);
    },
    (error) => {
      deps.log.error({ error: String(error) }, 'removing what is old failed; trying again in an hour');
      timer.wakeIn(hourMs);
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
  const shortestAgeMs = Math.min(dayMs, ...Object.values(policy).map((ageMs) => ageMs ?? Infinity));
  const timer = createWakeTimer(deps.clock, () => loop.poke());
  const subscription = hub.on('retention', () => timer.wakeIn(shortestAgeMs));
  timer.wakeIn(Math.min(firstDelayMs, shortestAgeMs));

  return {
    sweep: async () => {
      loop.poke();
      await loop.idle();
    },
    [Symbol.asyncDispose]: async () => {
      subscription[Symbol.dispose]();
      timer[Symbol.dispose]();
      await loop[Symbol.asyncDispose]();
    },
  };
}
