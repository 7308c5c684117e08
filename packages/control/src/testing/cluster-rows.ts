/** Rows of a small cluster: two tests that speak of the same machines speak of the same rows. */
import type { Tx } from '@gantry/ports';

export const GIB = 2 ** 30;
export const tenantId = 'ten_1';

export interface Machine {
  readonly name: string;
  readonly address?: string;
  readonly facts?: object;
}

/** Each with 64 cores, 512 GiB and so many A100 of 80 GiB. */
export async function insertMachines(tx: Tx, machines: readonly Machine[], devices: number): Promise<void> {
  const device = { kind: 'gpu', model: 'a100', memoryBytes: 80 * GIB, healthy: true };
  for (const { name, address = '', facts = {} } of machines)
    await tx.insert({
      tenantId,
      kind: 'node',
      id: name,
      name,
      state: 'ready',
      spec: {
        cpuMilli: 64_000,
        memoryBytes: 512 * GIB,
        storageBytes: 0,
        labels: {},
        topology: [name],
        address,
        devices: Array.from({ length: devices }, (_, index) => ({
          ...device,
          id: `${name}/${index}`,
          index,
        })),
        facts,
      },
      status: {},
    });
}

/** The tenant's one queue, without limits. */
export async function insertQueue(tx: Tx): Promise<void> {
  await tx.insert({
    tenantId,
    kind: 'queue',
    id: 'que_1',
    name: 'default',
    state: 'open',
    spec: { deserved: {}, limit: {}, weight: 1, priority: 0 },
    status: {},
  });
}
