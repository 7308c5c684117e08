/**
 * How fast jobs were seen to run, by device model and number of ranks, for the orders that choose sizes and models
 * (`optimus`, `goodput`, `throughput-aware`). Jobs that do the same work share what was measured. The unit is a step:
 * the work of one is the same at every size where the batch is the job's, as it is in our trainer.
 */
import type { Row } from '@gantry/ports';
import type { Workload } from '@gantry/scheduling';
import { modelOf } from './device-models.ts';
import type { JobSpecRecord, JobStatusRecord } from '../jobs/job-record.ts';
import type { Progress } from '../jobs/live-progress.ts';

type Speed = NonNullable<Workload['speed']>;
type Run = Speed['runs'][number];

/** The kinds of work that are remembered; the longest unseen makes room. */
const MOST_KINDS = 1_000;
/** A speed that moved by less is no news. */
const NEWS_PART = 0.05;

export class SpeedBook {
  /** By kind of work, then by model and size. */
  readonly #runs = new Map<string, Map<string, Run>>();
  readonly #left = new Map<string, number>();

  /** True when it says something new about the job. */
  note(
    row: Row,
    progress: Progress | undefined,
    on: { model: string; members: number } | undefined,
  ): boolean {
    const { step, totalSteps, etaSeconds } = progress ?? {};
    if (step === undefined || totalSteps === undefined || totalSteps <= step) return false;
    const left = totalSteps - step;
    const before = this.#left.get(row.id);
    const isNews = before === undefined || Math.abs(before - left) > NEWS_PART * before;
    if (isNews) this.#left.set(row.id, left);
    if (on === undefined || etaSeconds === undefined || etaSeconds <= 0) return isNews;
    return this.#remember(kindOf(row), { ...on, perSecond: left / etaSeconds }) || isNews;
  }

  /**
   * What an ended job did on the whole: coarser than what it reported (its start counts, too), but still in its row
   * when the server starts anew. Only of one that ran on one model and at one size.
   */
  learn(row: Row, nodes: ReadonlyMap<string, Row>): void {
    const { attempts, progress } = row.status as JobStatusRecord;
    const ran = attempts.filter(({ startedAt, endedAt }) => startedAt !== undefined && endedAt !== undefined);
    const [first] = ran;
    const model = first === undefined ? undefined : modelOf(first, nodes);
    if (first === undefined || model === undefined || progress?.step === undefined) return;
    const members = first.placement.length;
    const isOne = ran.every((each) => each.placement.length === members && modelOf(each, nodes) === model);
    const seconds = ran.reduce(
      (sum, { startedAt = '', endedAt = '' }) => sum + (Date.parse(endedAt) - Date.parse(startedAt)) / 1000,
      0,
    );
    if (isOne && seconds > 0 && progress.step > 0)
      this.#remember(kindOf(row), { model, members, perSecond: progress.step / seconds });
  }

  #remember(kind: string, run: Run): boolean {
    const runs = this.#runs.get(kind) ?? new Map<string, Run>();
    this.#runs.delete(kind);
    this.#runs.set(kind, runs);
    const [oldest] = this.#runs.keys();
    if (this.#runs.size > MOST_KINDS && oldest !== undefined) this.#runs.delete(oldest);
    const key = `${run.members} ${run.model}`;
    const before = runs.get(key)?.perSecond ?? 0;
    if (Math.abs(before - run.perSecond) <= NEWS_PART * run.perSecond) return false;
    runs.set(key, run);
    return true;
  }

  forget(jobId: string): void {
    this.#left.delete(jobId);
  }

  of(row: Row): Pick<Workload, 'speed'> {
    const runs = [...(this.#runs.get(kindOf(row))?.values() ?? [])];
    if (runs.length === 0) return {};
    const left = this.#left.get(row.id) ?? stepsLeft(row);
    return { speed: { runs, ...(left === undefined ? {} : { left }) } };
  }
}

/** As its last attempt left it, or as a training says from the start. */
function stepsLeft({ spec, status }: Row): number | undefined {
  const { step = 0, totalSteps } = (status as JobStatusRecord).progress ?? {};
  const steps = totalSteps ?? (spec as JobSpecRecord).job.train?.steps;
  return steps === undefined ? undefined : Math.max(1, steps - step);
}

/** What is the same work: the same people's same program, whatever its size and its name. */
function kindOf({ tenantId, spec }: Row): string {
  const { job, user } = spec as JobSpecRecord;
  const { steps: _steps, seed: _seed, ...train } = job.train ?? { steps: 0, seed: 0 };
  return JSON.stringify([tenantId, user, job.train === undefined ? job.command : train]);
}
