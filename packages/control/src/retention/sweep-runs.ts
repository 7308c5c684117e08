/**
 * Run folders: checkpoints and scratch of jobs that ended go first, the rest later, and the folder of a job or
 * replica that is no more as soon as it is sure that nobody is making it.
 */
import { isTerminal, type JobState } from '@gantry/contract';
import type { Row, Store } from '@gantry/ports';
import type { JobSpecRecord, JobStatusRecord } from '../jobs/job-record.ts';
import { type Dated, after, dueOf, earlier } from './due.ts';
import type { FoundFolder } from './kept-files.ts';
import { noteRemoval } from './note-removal.ts';
import type { Sweep } from './sweep.ts';

interface Run extends FoundFolder {
  readonly row: Row | undefined;
}

export const sweepRuns: Sweep = async ({ deps, files, policy, nowMs }) => {
  const runs = await withRows(deps.store, await files.runs());
  const ended = runs.filter(isOfEndedJob);
  const scratch = dueOf(
    ended.map((item) => ({ item, dueMs: after(endedMs(item), policy.checkpoints) })),
    nowMs,
  );
  const whole = dueOf(
    ended.map((item) => ({ item, dueMs: after(endedMs(item), policy.runs) })),
    nowMs,
  );
  const orphans = dueOf(
    runs.filter(isOrphan).map((item): Dated<Run> => ({
      item,
      dueMs: after(item.modifiedMs, policy.workers),
    })),
    nowMs,
  );
  let bytes = 0;
  let checkpoints = 0;
  for (const { id } of [...whole.now, ...orphans.now]) bytes += await deps.places.removeRun(id);
  for (const { id } of whole.now)
    await noteRemoval(deps, id, { what: 'run folder', keptMs: policy.runs ?? 0 });
  const gone = new Set(whole.now);
  for (const run of scratch.now) {
    if (gone.has(run)) continue;
    const freed = await files.removeFromRun(run.id, scratchNames(run.row));
    if (freed === undefined) continue;
    bytes += freed;
    checkpoints += 1;
    await noteRemoval(deps, run.id, { what: 'checkpoints', keptMs: policy.checkpoints ?? 0, bytes: freed });
  }
  return {
    removed: { checkpoints, runs: whole.now.length + orphans.now.length },
    bytes,
    nextMs: earlier(scratch.nextMs, earlier(whole.nextMs, orphans.nextMs)),
  };
};

/** A folder of a command's own name is the user's; a training's are the platform's. */
function scratchNames(row: Row | undefined): readonly string[] {
  const isTraining = (row?.spec as JobSpecRecord | undefined)?.job.train !== undefined;
  return isTraining ? ['checkpoints', 'attempts', 'data', 'export'] : ['checkpoints', 'attempts'];
}

const isOfEndedJob = ({ row }: Run): boolean => row?.kind === 'job' && isTerminal(row.state as JobState);

const isOrphan = ({ row }: Run): boolean =>
  row === undefined || (row.kind === 'replica' && row.state === 'ended');

const endedMs = ({ row, modifiedMs }: Run): number => {
  const { endedAt } = (row?.status ?? {}) as Partial<JobStatusRecord>;
  return endedAt === undefined ? modifiedMs : Date.parse(endedAt);
};

const perRead = 200;

async function withRows(store: Store, folders: readonly FoundFolder[]): Promise<readonly Run[]> {
  const runs: Run[] = [];
  for (let from = 0; from < folders.length; from += perRead) {
    await store.read({ platform: true }, async (tx) => {
      for (const folder of folders.slice(from, from + perRead)) {
        const kind = folder.id.startsWith('rpl_') ? 'replica' : 'job';
        runs.push({ ...folder, row: await tx.get(kind, folder.id) });
      }
    });
  }
  return runs;
}
