import { GantryError, type Upload } from '@gantry/contract';
import { createId } from '@gantry/kit';
import type { Row } from '@gantry/ports';
import type { Caller } from '../caller.ts';
import type { Deps } from '../deps.ts';
import type { UploadSpecRecord } from './job-inputs.ts';

export const uploadLimitBytes = 1024 ** 3;

/**
 * Stores a packed folder for a job of this tenant to run in. Jobs name the row, not the bytes: knowing what a file
 * holds must not be enough to read it.
 */
export async function storeUpload(
  deps: Deps,
  who: Pick<Caller, 'tenantId' | 'userName'>,
  bytes: AsyncIterable<Uint8Array>,
  requestId: string,
  limitBytes: number = uploadLimitBytes,
): Promise<Upload> {
  const stored = await deps.blobs.put(limited(bytes, limitBytes));
  const { files } = await deps.jobFiles.inspectUpload(stored.digest);
  const spec: UploadSpecRecord = { digest: stored.digest, bytes: stored.bytes, files };
  const id = createId('upl', deps.clock.nowMs());
  const row = await deps.store.tx({ tenantId: who.tenantId }, async (tx) => {
    const row = await tx.insert({
      kind: 'upload',
      id,
      tenantId: who.tenantId,
      name: id.replace('_', '-'),
      state: 'active',
      spec,
      status: {},
    });
    await tx.event({
      tenantId: who.tenantId,
      kind: 'upload',
      resourceId: id,
      type: 'upload.stored',
      actor: who.userName,
      reason: { bytes: stored.bytes, files },
      requestId,
    });
    return row;
  });
  return toUpload(row);
}

const toUpload = (row: Row): Upload => {
  const { bytes, files } = row.spec as UploadSpecRecord;
  return { id: row.id, bytes, files, createdAt: row.createdAt };
};

async function* limited(bytes: AsyncIterable<Uint8Array>, limitBytes: number): AsyncIterable<Uint8Array> {
  let total = 0;
  for await (const chunk of bytes) {
    total += chunk.length;
    if (total > limitBytes)
      throw new GantryError('body_too_large', `the upload is larger than ${limitBytes} bytes`, {
        hint: 'leave files out with .gantryignore, or put data into a volume',
      });
    yield chunk;
  }
}
