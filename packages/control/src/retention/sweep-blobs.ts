/**
 * Bytes that nothing names. Every look marks the blobs that are named; one that was neither put nor marked for the
 * whole age goes. What is put while we look is too young, so it needs no lock.
 */
import type { Store } from '@gantry/ports';
import type { JobStatusRecord } from '../jobs/job-record.ts';
import type { UploadSpecRecord } from '../jobs/job-inputs.ts';
import type { ModelVersionRecord } from '../models/model-record.ts';
import { allRows } from '../rows.ts';
import { dueOf, earlier } from './due.ts';
import type { Sweep } from './sweep.ts';

export const sweepBlobs: Sweep = async ({ deps, policy, nowMs }) => {
  const ageMs = policy.blobs;
  const nothing = { removed: {}, bytes: 0 };
  if (ageMs === undefined) return { ...nothing, nextMs: undefined };
  const found: { digest: string; bytes: number; usedAtMs: number }[] = [];
  for await (const digest of deps.blobs.list()) {
    const about = await deps.blobs.stat(digest);
    if (about !== undefined) found.push({ digest, ...about });
  }
  const due = dueOf(
    found.map((item) => ({ item, dueMs: item.usedAtMs + ageMs })),
    nowMs,
  );
  let { nextMs } = due;
  if (due.now.length === 0) return { ...nothing, nextMs };

  const named = await namedDigests(deps.store);
  let blobs = 0;
  let bytes = 0;
  for (const each of due.now) {
    if (named.has(each.digest)) {
      await deps.blobs.markUsed(each.digest);
      nextMs = earlier(nextMs, nowMs + ageMs);
    } else if (await deps.blobs.delete(each.digest, { unusedSinceMs: nowMs - ageMs })) {
      blobs += 1;
      bytes += each.bytes;
    }
  }
  return { removed: { blobs }, bytes, nextMs };
};

/** Page by page: a platform has more jobs than fit in memory at once. */
async function namedDigests(store: Store): Promise<ReadonlySet<string>> {
  const named = new Set<string>();
  await store.read({ platform: true }, async (tx) => {
    for (const row of await allRows(tx, 'model-version'))
      for (const { digest } of (row.spec as ModelVersionRecord).files) named.add(digest);
    for (const row of await allRows(tx, 'upload')) named.add((row.spec as UploadSpecRecord).digest);
  });
  let cursor: string | undefined;
  do {
    const from = cursor === undefined ? {} : { cursor };
    const page = await store.read({ platform: true }, (tx) =>
      tx.list('job', { limit: 500, newestFirst: false, ...from }),
    );
    for (const row of page.items)
      for (const { digest } of (row.status as JobStatusRecord).outputs ?? []) named.add(digest);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return named;
}
