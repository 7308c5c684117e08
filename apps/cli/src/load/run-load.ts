/** Sends what was planned: each at its time (open loop), or as soon as one of the clients is free (closed loop). */
import { setTimeout as delay } from 'node:timers/promises';
import type { PlannedRequest } from './planned-request.ts';
import type { TimedAnswer } from './timed-stream.ts';

export interface LoadRun {
  readonly answers: readonly TimedAnswer[];
  readonly seconds: number;
  /** How far behind its time the latest request was sent: more than a little means this machine was the limit. */
  readonly worstLagMs: number;
}

export async function runLoad(
  planned: readonly PlannedRequest[],
  /** Absent: an open loop. */
  clients: number | undefined,
  send: (request: PlannedRequest) => Promise<TimedAnswer>,
): Promise<LoadRun> {
  const startedMs = performance.now();
  const answers: TimedAnswer[] = [];
  let worstLagMs = 0;
  if (clients === undefined) {
    const open: Promise<void>[] = [];
    for (const request of planned) {
      const waitMs = startedMs + request.atMs - performance.now();
      if (waitMs > 0) await delay(waitMs);
      else worstLagMs = Math.max(worstLagMs, -waitMs);
      open.push(send(request).then((answer) => void answers.push(answer)));
    }
    await Promise.all(open);
  } else {
    const rest = [...planned];
    const client = async (): Promise<void> => {
      for (let next = rest.shift(); next !== undefined; next = rest.shift()) answers.push(await send(next));
    };
    await Promise.all(Array.from({ length: clients }, client));
  }
  return { answers, seconds: (performance.now() - startedMs) / 1_000, worstLagMs };
}
