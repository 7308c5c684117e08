/** What a load run showed: latencies, throughput, and how many requests met what was promised (goodput). */
import type { LoadRun } from './run-load.ts';
import type { TimedAnswer } from './timed-stream.ts';

export interface Objectives {
  readonly ttftMs: number;
  /** Mean gap between the pieces of one answer. */
  readonly itlMs: number;
}

export interface Spread {
  readonly mean: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export interface LoadReport {
  /** Those that have an answer or a failure. */
  readonly requests: number;
  /** Of a run that was stopped early: planned, not sent or given up. */
  readonly unanswered: number;
  readonly failures: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly requestsPerSecond: number;
  readonly answerTokensPerSecond: number;
  readonly promptTokens: number;
  readonly cachedTokens: number;
  readonly answerTokens: number;
  readonly ttftMs: Spread | undefined;
  readonly itlMs: Spread | undefined;
  readonly requestMs: Spread | undefined;
  /** Of all requests, those answered within both objectives; and how many of them a second. */
  readonly goodShare: number;
  readonly goodPerSecond: number;
  readonly worstLagMs: number;
}

export function toLoadReport(
  { answers, unanswered, seconds, worstLagMs }: LoadRun,
  objectives: Objectives,
): LoadReport {
  const fine = answers.filter(({ failure }) => failure === undefined);
  const failures: Record<string, number> = {};
  for (const { failure } of answers)
    if (failure !== undefined) failures[failure] = (failures[failure] ?? 0) + 1;
  const sum = (of: (answer: TimedAnswer) => number): number => fine.reduce((all, one) => all + of(one), 0);
  const good = fine.filter((answer) => isWithin(answer, objectives)).length;
  return {
    requests: answers.length,
    unanswered,
    failures,
    seconds,
    requestsPerSecond: fine.length / seconds,
    answerTokensPerSecond: sum(({ answerTokens }) => answerTokens) / seconds,
    promptTokens: sum(({ promptTokens }) => promptTokens),
    cachedTokens: sum(({ cachedTokens }) => cachedTokens),
    answerTokens: sum(({ answerTokens }) => answerTokens),
    ttftMs: spreadOf(fine.flatMap(({ ttftMs }) => ttftMs ?? [])),
    itlMs: spreadOf(fine.flatMap(({ gapsMs }) => gapsMs)),
    requestMs: spreadOf(fine.map(({ endMs }) => endMs)),
    goodShare: answers.length === 0 ? 0 : good / answers.length,
    goodPerSecond: good / seconds,
    worstLagMs,
  };
}

function isWithin({ ttftMs, gapsMs }: TimedAnswer, objectives: Objectives): boolean {
  const mean = gapsMs.reduce((all, gap) => all + gap, 0) / Math.max(1, gapsMs.length);
  return ttftMs !== undefined && ttftMs <= objectives.ttftMs && mean <= objectives.itlMs;
}

function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined;
  const sorted = values.toSorted((one, other) => one - other);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number;
  return {
    mean: values.reduce((all, value) => all + value, 0) / values.length,
    p50: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
  };
}
