/** What a replica's engine wrote, also of one that has ended: why it did is in there. */
import { GantryError } from '@gantry/contract';
import { allRows, findOr404, workersOfReplica } from '@gantry/control';
import type { Row } from '@gantry/ports';
import type { Handlers } from '../http/index.ts';
import type { Platform } from '../platform.ts';
import { toLogBeginning } from './log-beginning.ts';

export function endpointLogs({ deps }: Platform): Handlers['endpoints.logs'] {
  return async function* ({ principal, signal }, { params, query }) {
    const { tenantId } = principal;
    const replicas = await deps.store.read({ tenantId }, async (tx) => {
      const endpoint = await findOr404(tx, 'endpoint', tenantId, params.name);
      return allRows(tx, 'replica', ['starting', 'ready', 'draining', 'ended'], endpoint.id);
    });
    const workerId = workerOf(replicas, query.replica, query.rank);
    if (workerId === undefined || (await deps.runner.list([workerId])).length === 0)
      throw new GantryError('not_found', `endpoint "${params.name}" has no such log`, {
        hint: `its replicas: gantry endpoint show ${params.name}`,
      });
    const { stream, follow } = query;
    const log = deps.runner.readLog(workerId, { stream, follow, signal, ...toLogBeginning(query) });
    for await (const chunk of log) yield { chunk };
  };
}

/** Of the replica that was named, else of the newest that lives, else of the newest that ever ran. */
function workerOf(replicas: readonly Row[], replica: string | undefined, rank: number): string | undefined {
  const newest = replicas
    .filter(({ id }) => replica === undefined || id === replica)
    .toSorted((one, other) => other.createdAt.localeCompare(one.createdAt));
  return [...newest.filter(({ state }) => state !== 'ended'), ...newest]
    .map((row) => workersOfReplica(row)[rank])
    .find((workerId) => workerId !== undefined);
}
