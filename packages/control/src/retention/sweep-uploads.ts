/** Uploads that no unfinished job names. Their bytes follow with the blobs. */
import { unfinishedJobStates } from '@gantry/contract';
import type { JobSpecRecord } from '../jobs/job-record.ts';
import { allRows } from '../rows.ts';
import { after, dueOf } from './due.ts';
import type { Sweep } from './sweep.ts';

export const sweepUploads: Sweep = async ({ deps, policy, nowMs }) => {
  const { now, nextMs } = await deps.store.read({ platform: true }, async (tx) => {
    const rows = await allRows(tx, 'upload');
    const due = dueOf(
      rows.map((item) => ({ item, dueMs: after(Date.parse(item.createdAt), policy.uploads) })),
      nowMs,
    );
    if (due.now.length === 0) return due;
    const unfinished = await allRows(tx, 'job', unfinishedJobStates);
    const needed = new Set(unfinished.map((row) => (row.spec as JobSpecRecord).job.upload));
    return { ...due, now: due.now.filter(({ id }) => !needed.has(id)) };
  });
  if (now.length > 0)
    await deps.store.tx({ platform: true }, async (tx) => {
      for (const row of now) {
        await tx.softDelete('upload', row.id);
        await tx.event({
          tenantId: row.tenantId,
          kind: 'upload',
          resourceId: row.id,
          type: 'upload.expired',
          actor: 'retention',
          reason: { keptMs: policy.uploads ?? 0 },
        });
      }
    });
  return { removed: { uploads: now.length }, bytes: 0, nextMs };
};
