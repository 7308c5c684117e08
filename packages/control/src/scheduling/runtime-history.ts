/** What ended jobs teach about those to come; read again from the rows after a restart. */
import type { JobSpec } from '@gantry/contract';
import type { Row, Tx } from '@gantry/ports';
import { type RuntimeAsk, RuntimeModel, type Workload } from '@gantry/scheduling';
import type { JobSpecRecord, JobStatusRecord } from '../jobs/job-record.ts';
import { newestJobs } from './newest-jobs.ts';
import { heldBy, rankGroups } from '../jobs/rank-groups.ts';

/** So many of the newest ended jobs are read at the start. */
const READ_AT_START = 2_000;

export class RuntimeHistory {
  readonly #model = new RuntimeModel();

  get calibration(): RuntimeModel['calibration'] {
    return this.#model.calibration;
  }

  /** Oldest first, so that the newest counts most; answers whom it learned from. */
  async read(tx: Tx): Promise<readonly Row[]> {
    const rows = await newestJobs(tx, { most: READ_AT_START, state: ['succeeded'] });
    for (const row of rows.reverse()) {
      this.learn(row);
      this.#remember(row);
    }
    return rows;
  }

  /** When and on how many devices jobs of the newest past ran, for what queues used lately. */
  readonly past: { queueId: string; devices: number; fromMs: number; toMs: number }[] = [];

  /** Only what came to its own end says how long its like takes. */
  learn(row: Row): void {
    if (row.state !== 'succeeded') return;
    const seconds = ranSeconds(row.status as JobStatusRecord);
    if (seconds > 0) this.#model.observe(askOf(row), seconds);
  }

  #remember(row: Row): void {
    const { queueId, job } = row.spec as JobSpecRecord;
    for (const { startedAt, endedAt, placement } of (row.status as JobStatusRecord).attempts) {
      if (startedAt === undefined || endedAt === undefined) continue;
      const devices = heldBy(job, placement).gpus;
      if (devices > 0)
        this.past.push({ queueId, devices, fromMs: Date.parse(startedAt), toMs: Date.parse(endedAt) });
    }
  }

  estimate(row: Row): Pick<Workload, 'runtimeEstimateMs' | 'runtimeMostMs'> {
    const guess = this.#model.guess(askOf(row));
    if (guess === null) return {};
    return { runtimeEstimateMs: guess.p50Seconds * 1000, runtimeMostMs: guess.p90Seconds * 1000 };
  }
}

function ranSeconds({ attempts }: JobStatusRecord): number {
  return attempts.reduce((sum, { startedAt, endedAt }) => {
    if (startedAt === undefined || endedAt === undefined) return sum;
    return sum + Math.max(0, Date.parse(endedAt) - Date.parse(startedAt)) / 1000;
  }, 0);
}

/** Who is like it, from the most to the least alike. */
export function askOf(row: Row): RuntimeAsk {
  const { job, user } = row.spec as JobSpecRecord;
  const who = `${row.tenantId} ${user}`;
  const size = rankGroups(job)
    .map(({ count, resources }) => `${count}x${resources.gpu}`)
    .join('+');
  const kind = `${who} ${stem(job.name ?? row.name)}`;
  const work = workOf(job);
  const model = job.resources.gpuProfile ?? job.resources.gpuModel ?? 'any';
  return {
    keys: [
      `${kind} ${work} ${size} ${model}`,
      `${who} ${work} ${size}`,
      `${kind} ${size}`,
      `${who} ${job.image ?? ''} ${size}`,
      who,
    ],
    limitSeconds: job.timeLimit / 1000,
  };
}

/** `train-17` and `train-18` are of one kind. */
function stem(name: string): string {
  return name.replace(/[-_.]?\d+$/u, '');
}

/** What it does, with what makes it long; of a command, its words without their values. */
function workOf({ train, command }: Pick<JobSpec, 'train' | 'command'>): string {
  if (train !== undefined)
    return `train d${train.depth} s${train.steps} b${train.batchTokens} l${train.sequenceLength}`;
  const words = typeof command === 'string' ? command.split(/\s+/u) : (command ?? []);
  return words.slice(0, 12).join(' ').slice(0, 400);
}
