/** The machine we are on, as a node: looked at when the server starts, and again when an operator asks. */
import { hostname } from 'node:os';
import type { Deps, NodeSpecRecord } from '@gantry/control';
import { allRows } from '@gantry/control';
import { createId } from '@gantry/kit';
import { createLocalInventory } from '@gantry/runners/inventory';

export async function refreshLocalNode(deps: Deps, tenantId: string, dataDir: string): Promise<void> {
  const found = await createLocalInventory({ dataDir }).look();
  const name =
    hostname()
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]+/g, '-')
      .replace(/^-+|-+$/g, '')
      .slice(0, 63) || 'this-machine';
  const spec: NodeSpecRecord = {
    cpuMilli: found.cpu.count * 1000,
    memoryBytes: found.memory.totalBytes,
    storageBytes: found.disks.find((disk) => disk.holdsDataDir)?.freeBytes ?? 0,
    labels: {
      'gantry.dev/hostname': name,
      'kubernetes.io/arch': process.arch,
      'kubernetes.io/os': process.platform,
    },
    topology: [name],
    address: '127.0.0.1',
    devices: found.devices.map((device) => ({ ...device })),
    facts: { ...found.facts, cpuModel: found.cpu.model },
  };
  await deps.store.tx({ platform: true }, async (tx) => {
    const existing = (await allRows(tx, 'node')).find((row) => row.name === name);
    if (existing === undefined) {
      const row = await tx.insert({
        kind: 'node',
        id: createId('nod', deps.clock.nowMs()),
        tenantId,
        name,
        state: 'ready',
        spec,
        status: {},
      });
      await tx.event({
        tenantId,
        kind: 'node',
        resourceId: row.id,
        type: 'node.joined',
        toState: 'ready',
        actor: 'inventory',
      });
      return;
    }
    const isSick = spec.devices.some(({ healthy }) => !healthy);
    await tx.update('node', existing.id, {
      expectedVersion: existing.version,
      spec,
      ...(isSick && existing.state === 'ready' ? { state: 'quarantined' } : {}),
    });
  });
}
