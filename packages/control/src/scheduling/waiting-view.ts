/** What a job is told about its wait, in words, from what the planner says as data. */
import { type Plan, type StartEstimate, describeChange, describeReason } from '@gantry/scheduling';
import type { JobStatusRecord } from '../jobs/job-record.ts';

export type WaitingView = NonNullable<JobStatusRecord['waiting']>;
type Waiting = Plan['waiting'][number];

export function waitingView(
  waiting: Waiting,
  nameOf: (workloadId: string) => string,
  start: StartEstimate | undefined,
): WaitingView {
  return {
    reasons: waiting.reasons.map((reason) => ({
      ...reason,
      code: reason.code,
      tier: reason.tier,
      message: describeReason(named(reason, nameOf)),
    })),
    position: waiting.position,
    ahead: waiting.ahead.map(nameOf),
    unblock: waiting.unblock.map(describeChange),
    ...(start === undefined
      ? {}
      : {
          estimatedStart: {
            p50: new Date(start.p50Ms).toISOString(),
            p90: new Date(start.p90Ms).toISOString(),
            learnedFrom: start.learnedFrom,
          },
        }),
  };
}

/** People know workloads by their names. */
const named = (reason: Waiting['reasons'][number], nameOf: (workloadId: string) => string): typeof reason =>
  'workloadId' in reason ? { ...reason, workloadId: nameOf(reason.workloadId) } : reason;

/** Of a workload that planning cannot take as it stands. */
export function setAsideView(message: string): WaitingView {
  return {
    reasons: [
      {
        code: 'set_aside',
        tier: 'misconfigured',
        message: `It was set aside because planning it failed: ${message}. It is tried again when it changes (gantry job suspend, then resume) or the server starts anew; operators find the cycle with gantry policy decisions.`,
      },
    ],
    unblock: [],
  };
}

const codesOf = (view: WaitingView | undefined): string =>
  (view?.reasons ?? []).map(({ code }) => code).join();

/** A new reason is worth an event; a new position only a look. */
export function hasNewReason(before: WaitingView | undefined, after: WaitingView): boolean {
  return codesOf(before) !== codesOf(after);
}
