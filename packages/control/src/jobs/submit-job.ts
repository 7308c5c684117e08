import { GantryError, type Job, type JobSpec, jobWorks } from '@gantry/contract';
import { createId } from '@gantry/kit';
import type { Tx } from '@gantry/ports';
import type { Caller } from '../caller.ts';
import { type Deps } from '../deps.ts';
import type { Hub } from '../hub.ts';
import { usableQueue } from '../queues/usable-queue.ts';
import { allRows } from '../rows.ts';
import { jobRequest, queueSelectors } from '../scheduling/build-snapshot.ts';
import { readPolicy } from '../scheduling/policy-row.ts';
import { refuseImpossible } from '../scheduling/refuse-impossible.ts';
import { codeOf, inputProblems } from './job-inputs.ts';
import { type JobSpecRecord, emptyJobStatus } from './job-record.ts';
import { layoutProblems } from './layout-problems.ts';
import { placementProblems } from './placement-problems.ts';
import { jobView } from './job-view.ts';
import { withPinnedModels } from './model-inputs.ts';

/** Written as `queued` with its event before the answer: what is acknowledged is never lost. */
export async function submitJob(
  deps: Deps,
  hub: Hub,
  caller: Caller,
  asked: JobSpec,
  requestId: string,
): Promise<Job> {
  const job = await deps.store.tx({ platform: true }, async (tx) => {
    const spec = await withPinnedModels(tx, caller.tenantId, asked);
    const queue = await usableQueue(tx, caller.tenantId, spec.queue);
    const children = await allRows(tx, 'queue', undefined, queue.id);
    if (children.length > 0) {
      throw new GantryError(
        'validation_failed',
        `queue "${spec.queue}" has children; only leaves take jobs`,
        { hint: `one of: ${children.map(({ name }) => name).join(', ')}` },
      );
    }
    const id = createId('job', deps.clock.nowMs());
    const name = spec.name ?? (await freeName(tx, caller.tenantId, nameStem(spec)));
    const pool = spec.nodeSelector === undefined ? undefined : await poolOf(tx, queue.id);
    const problems = [
      ...placementProblems(spec, pool, deps.clock.nowMs()),
      ...layoutProblems(spec),
      ...(await inputProblems(deps, tx, caller.tenantId, { id, spec })),
    ];
    if (problems[0] !== undefined)
      throw new GantryError('validation_failed', `${problems[0].path}: ${problems[0].message}`, {
        problems,
        ...(problems[0].hint === undefined ? {} : { hint: problems[0].hint }),
      });
    if (!spec.waitForCapacity) {
      const asked = {
        id,
        tenantId: caller.tenantId,
        queueId: queue.id,
        createdAtMs: deps.clock.nowMs(),
        spec,
      };
      await refuseImpossible(tx, (selectors) => jobRequest(asked, selectors), deps.clock.nowMs());
    }
    const code = await codeOf(deps, tx, spec);
    const row = await tx.insert({
      kind: 'job',
      id,
      tenantId: caller.tenantId,
      name,
      state: 'queued',
      parentId: queue.id,
      spec: {
        job: spec,
        user: caller.userName,
        queueId: queue.id,
        queue: queue.name,
        ...(code === undefined ? {} : { code }),
      } satisfies JobSpecRecord,
      status: emptyJobStatus,
    });
    await tx.event({
      tenantId: caller.tenantId,
      kind: 'job',
      resourceId: id,
      type: 'job.submitted',
      toState: 'queued',
      actor: caller.userName,
      requestId,
    });
    return jobView(row, caller.tenantName);
  });
  hub.changed('scheduler');
  return job;
}

const nameStem = (spec: JobSpec): string =>
  jobWorks.find((work) => work !== 'command' && spec[work] !== undefined) ?? 'job';

const poolOf = async (tx: Tx, queueId: string): Promise<Readonly<Record<string, string>> | undefined> =>
  queueSelectors(await allRows(tx, 'queue'), await readPolicy(tx)).get(queueId);

/** `train-7`: the first free number after the newest of its family. */
async function freeName(tx: Tx, tenantId: string, stem: string): Promise<string> {
  for (let attempt = 0, number = (await tx.count('job', tenantId)) + 1; ; attempt += 1, number += 1) {
    const name = attempt < 50 ? `${stem}-${number}` : `${stem}-${createId('x').slice(-8)}`;
    if ((await tx.byName('job', tenantId, name)) === undefined) return name;
  }
}
