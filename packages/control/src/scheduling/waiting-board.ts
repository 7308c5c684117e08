/**
 * Why each job waits, as of the last plan. The reason is written to the job's row when it changes,
 * with an event; positions, neighbours and estimates move with every cycle and live here only.
 */
import type { Row } from '@gantry/ports';
import type { Plan, StartEstimate } from '@gantry/scheduling';
import type { Deps } from '../deps.ts';
import type { JobStatusRecord } from '../jobs/job-record.ts';
import { isConflict } from './commit-placement.ts';
import { type WaitingView, hasNewReason, setAsideView, waitingView } from './waiting-view.ts';

type Waiting = Plan['waiting'][number];
const CHUNK = 100;

export class WaitingBoard {
  #waiting = new Map<string, Waiting>();
  #setAside = new Map<string, string>();
  #nameOf: (id: string) => string = (id) => id;
  readonly #startOf: (id: string) => StartEstimate | undefined;

  constructor(startOf: (id: string) => StartEstimate | undefined) {
    this.#startOf = startOf;
  }

  of(workloadId: string): WaitingView | undefined {
    const message = this.#setAside.get(workloadId);
    if (message !== undefined) return setAsideView(message);
    const waiting = this.#waiting.get(workloadId);
    return waiting === undefined ? undefined : waitingView(waiting, this.#nameOf, this.#startOf(workloadId));
  }

  /** Takes a plan over; answers whose place in the line is another now. */
  put(
    plan: Plan,
    setAside: readonly { workloadId: string; message: string }[],
    nameOf: (id: string) => string,
  ): readonly string[] {
    const before = this.#waiting;
    this.#waiting = new Map(plan.waiting.map((waiting) => [waiting.workloadId, waiting]));
    this.#setAside = new Map(setAside.map(({ workloadId, message }) => [workloadId, message]));
    this.#nameOf = nameOf;
    return plan.waiting
      .filter(({ workloadId, position }) => before.get(workloadId)?.position !== position)
      .map(({ workloadId }) => workloadId);
  }

  /** Writes the reason of every job whose reason is new. `onWritten` hears of it after the commit. */
  async write(
    deps: Deps,
    jobs: ReadonlyMap<string, Row>,
    on: { written: (jobId: string) => void; failed: (jobId: string) => void },
  ): Promise<void> {
    const news: { job: Row; view: WaitingView }[] = [];
    for (const id of [...this.#waiting.keys(), ...this.#setAside.keys()]) {
      const job = jobs.get(id);
      if (job?.state !== 'queued') continue;
      const view = this.of(id)!;
      if (hasNewReason((job.status as JobStatusRecord).waiting, view)) news.push({ job, view });
    }
    for (let from = 0; from < news.length; from += CHUNK) {
      const chunk = news.slice(from, from + CHUNK);
      try {
        const written = await writeChunk(deps, chunk);
        for (const { job } of chunk) (written.has(job.id) ? on.written : on.failed)(job.id);
      } catch {
        // The database is away: what they wait for is told again by the next cycle.
        for (const { job } of chunk) on.failed(job.id);
      }
    }
  }
}

async function writeChunk(
  deps: Deps,
  chunk: readonly { job: Row; view: WaitingView }[],
): Promise<ReadonlySet<string>> {
  const written = new Set<string>();
  await deps.store.tx({ platform: true }, async (tx) => {
    written.clear();
    for (const { job, view } of chunk) {
      try {
        await tx.update('job', job.id, {
          expectedVersion: job.version,
          status: { ...(job.status as JobStatusRecord), waiting: view },
        });
      } catch (error) {
        // The job moved on meanwhile.
        if (isConflict(error)) continue;
        throw error;
      }
      written.add(job.id);
      await tx.event({
        tenantId: job.tenantId,
        kind: 'job',
        resourceId: job.id,
        type: 'job.waiting',
        actor: 'scheduler',
        reason: { reasons: view.reasons.map(({ message }) => message) },
      });
    }
  });
  return written;
}
