import type { RanImage } from '@gantry/contract';
import type { Deps } from '../deps.ts';
import { retryOnConflict } from '../retry-on-conflict.ts';
import type { ReplicaSpecRecord, ReplicaStatusRecord } from './endpoint-record.ts';

/**
 * Which image a replica runs in, exactly: kept on its row, also after its end. The first word counts: it is the
 * runner's, said before anything of the image runs.
 */
export async function markImage({ store }: Deps, replicaId: string, image: RanImage): Promise<void> {
  await retryOnConflict(() =>
    store.tx({ platform: true }, async (tx) => {
      const row = await tx.get('replica', replicaId);
      if (row === undefined || row.state === 'ended') return;
      const status = row.status as ReplicaStatusRecord;
      const { server } = row.spec as ReplicaSpecRecord;
      if (server?.image === undefined || status.image !== undefined) return;
      await tx.update('replica', row.id, {
        expectedVersion: row.version,
        status: { ...status, image } satisfies ReplicaStatusRecord,
      });
    }),
  );
}
