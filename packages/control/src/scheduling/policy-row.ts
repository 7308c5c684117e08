/** The policy as it lies in the store. */
import type { Tx } from '@gantry/ports';
import type { PlanSettings } from '@gantry/scheduling';
import { POLICY_ID, type PolicySpecRecord } from './policy-record.ts';

/** Everything as it comes when nobody has set anything. */
export async function readPolicy(tx: Tx): Promise<PolicySpecRecord> {
  return (await tx.get('policy', POLICY_ID))?.spec ?? {};
}

export function planSettings({ placement, preemption, reservation, pools }: PolicySpecRecord): PlanSettings {
  return {
    ...(placement === undefined ? {} : { placement }),
    ...(preemption === undefined ? {} : { preemption }),
    ...(reservation === undefined ? {} : { reservation }),
    ...(pools === undefined
      ? {}
      : {
          pools: Object.values(pools).map((pool) => ({
            nodes: pool.nodes,
            ...(pool.placement === undefined ? {} : { placement: pool.placement }),
          })),
        }),
  };
}
