import { type Deps, type NodeSpecRecord, allRows } from '@gantry/control';
import { createId } from '@gantry/kit';
import { GPUS_PER_NODE, NODES_PER_RACK } from './mixed-job.ts';

const GIB = 2 ** 30;

/** Machines that exist only as rows, eight GPUs each; answers what there is of what, for the audit. */
export async function simulateNodes(
  deps: Deps,
  count: number,
  addressOf: (at: number) => string = () => '127.0.0.1',
): Promise<Map<string, number>> {
  const capacity = new Map<string, number>();
  await deps.store.tx({ platform: true }, async (tx) => {
    const [local] = await allRows(tx, 'node');
    if (local === undefined) throw new Error('the server knows no machine');
    capacity.set(`${local.id} cpu`, (local.spec as NodeSpecRecord).cpuMilli / 1_000);
    for (let at = 0; at < count; at += 1) {
      const name = `sim-${at}`;
      const devices = Array.from({ length: GPUS_PER_NODE }, (_, index) => ({
        id: `${name}/${index}`,
        kind: 'gpu',
        model: 'simulated',
        memoryBytes: 80 * GIB,
        healthy: true,
        index,
      }));
      const { id } = await tx.insert({
        kind: 'node',
        id: createId('nod', deps.clock.nowMs()),
        tenantId: local.tenantId,
        name,
        state: 'ready',
        spec: {
          cpuMilli: 16_000,
          memoryBytes: 256 * GIB,
          storageBytes: 0,
          labels: { 'topology/block': 'b0', 'topology/rack': `r${Math.floor(at / NODES_PER_RACK)}` },
          topology: [name],
          address: addressOf(at),
          devices,
          facts: {},
        } satisfies NodeSpecRecord,
        status: {},
      });
      await tx.event({
        tenantId: local.tenantId,
        kind: 'node',
        resourceId: id,
        type: 'node.joined',
        toState: 'ready',
        actor: 'simulation',
      });
      capacity.set(`${id} cpu`, 16);
      for (const device of devices) capacity.set(device.id, 1);
    }
  });
  return capacity;
}
