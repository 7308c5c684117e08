import { GantryError } from '@gantry/contract';
import type { Tx } from '@gantry/ports';
import { type Workload, canEverRun, describeReason } from '@gantry/scheduling';
import { allRows } from '../rows.ts';
import { type QueueSelectors, buildSnapshot, queueSelectors } from './build-snapshot.ts';
import { readPolicy } from './policy-row.ts';

/** What no machine here could run, were they all empty, is said at once. `tx` sees the whole platform. */
export async function refuseImpossible(
  tx: Tx,
  workload: (selectors: QueueSelectors) => Workload,
  nowMs: number,
): Promise<void> {
  const [nodes, queues] = [await allRows(tx, 'node'), await allRows(tx, 'queue')];
  const policy = await readPolicy(tx);
  const world = buildSnapshot({ nodes, queues, jobs: [], replicas: [], endpoints: [] }, nowMs, policy);
  const never = canEverRun(workload(queueSelectors(queues, policy)), world);
  if (never.length === 0) return;
  throw new GantryError(
    'unsatisfiable_request',
    `no machine here could ever run this: ${never.map(describeReason).join('; ')}`,
    {
      hint: 'ask for less, or let it wait anyway: waitForCapacity: true, --wait-for-capacity',
      problems: never.map((reason) => ({ path: 'resources', message: describeReason(reason) })),
    },
  );
}
