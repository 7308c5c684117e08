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
  /** Planned requests that have no answer, since the run was stopped before. */
  readonly unanswered: number;
  readonly seconds: number;
  /** How far behind its time the latest request was sent: more than a little means this machine was the limit. */
  readonly worstLagMs: number;
}

export interface LoadOptions {
  /** Absent: an open loop. */
  readonly clients?: number | undefined;
  /** Ends the run early; what is in progress then is given up. */
  readonly signal?: AbortSignal | undefined;
  /** After each answer. */
  readonly onAnswer?: (answers: readonly SentAnswer[]) => void;
}

/** A request that rejects, unlike one that fails, ends the run: the others would meet the same. */
export async function runLoad(
  planned: readonly PlannedRequest[],
  sendOne: (request: PlannedRequest, signal: AbortSignal) => Promise<TimedAnswer>,
  { clients, signal, onAnswer }: LoadOptions = {},
): Promise<LoadRun> {
  const startedMs = performance.now();
  const answers: SentAnswer[] = [];
  const rejected = new AbortController();
  const stop = signal === undefined ? rejected.signal : AbortSignal.any([signal, rejected.signal]);
  const send = async (request: PlannedRequest): Promise<void> => {
    const sentMs = performance.now() - startedMs;
    try {
      answers.push({ ...(await sendOne(request, stop)), sentMs });
      onAnswer?.(answers);
    } catch (error) {
      if (!stop.aborted) rejected.abort(error);
    }
  };
  const worstLagMs =
    clients === undefined
      ? await sendOnTime(planned, startedMs, send, stop)
      : await sendInTurns(planned, clients, send, stop);
  rejected.signal.throwIfAborted();
  return {
    answers,
    unanswered: planned.length - answers.length,
    seconds: (performance.now() - startedMs) / 1_000,
    worstLagMs,
  };
}

type Send = (request: PlannedRequest) => Promise<void>;

/** Open loop; tells by how many ms the latest was late. */
async function sendOnTime(
  planned: readonly PlannedRequest[],
  startedMs: number,
  send: Send,
  stop: AbortSignal,
): Promise<number> {
  let worstLagMs = 0;
  const open: Promise<void>[] = [];
  for (const request of planned) {
    const waitMs = startedMs + request.atMs - performance.now();
    if (waitMs > 0) await delay(waitMs, undefined, { signal: stop }).catch(() => undefined);
    if (stop.aborted) break;
    worstLagMs = Math.max(worstLagMs, -waitMs);
    open.push(send(request));
  }
  await Promise.all(open);
  return worstLagMs;
}

/** Closed loop: nothing is ever late. */
async function sendInTurns(
  planned: readonly PlannedRequest[],
  clients: number,
  send: Send,
  stop: AbortSignal,
): Promise<number> {
  const rest = [...planned];
  const client = async (): Promise<void> => {
    for (let next = rest.shift(); next !== undefined && !stop.aborted; next = rest.shift()) await send(next);
  };
  await Promise.all(Array.from({ length: clients }, client));
  return 0;
}
