/** Sends what was planned: each at its time (open loop), or as soon as one of the clients is free (closed loop). */
import { setTimeout as delay } from 'node:timers/promises';
import type { PlannedRequest } from './planned-request.ts';
import type { TimedAnswer } from './timed-stream.ts';

export interface SentAnswer extends TimedAnswer {
  /** Since the run began. */
  readonly sentMs: number;
}

export interface LoadRun {
  readonly answers: readonly SentAnswer[];
  readonly seconds: number;
  /** How far behind its time the latest request was sent: more than a little means this machine was the limit. */
  readonly worstLagMs: number;
}

export async function runLoad(
  planned: readonly PlannedRequest[],
  /** Absent: an open loop. */
  clients: number | undefined,
  sendOne: (request: PlannedRequest) => Promise<TimedAnswer>,
  /** After each answer. */
  onAnswer: (answers: readonly SentAnswer[]) => void = () => undefined,
): Promise<LoadRun> {
  const startedMs = performance.now();
  const answers: SentAnswer[] = [];
  const send = async (request: PlannedRequest): Promise<void> => {
    const sentMs = performance.now() - startedMs;
    answers.push({ ...(await sendOne(request)), sentMs });
    onAnswer(answers);
  };
  let worstLagMs = 0;
  if (clients === undefined) {
    const open: Promise<void>[] = [];
    for (const request of planned) {
      const waitMs = startedMs + request.atMs - performance.now();
      if (waitMs > 0) await delay(waitMs);
      else worstLagMs = Math.max(worstLagMs, -waitMs);
      open.push(send(request));
    }
    await Promise.all(open);
  } else {
    const rest = [...planned];
    const client = async (): Promise<void> => {
      for (let next = rest.shift(); next !== undefined; next = rest.shift()) await send(next);
    };
    await Promise.all(Array.from({ length: clients }, client));
  }
  return { answers, seconds: (performance.now() - startedMs) / 1_000, worstLagMs };
}
