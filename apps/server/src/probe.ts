/** What this machine offers, told without starting anything: `gantry doctor` asks the server program with `--probe`. */
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type IsolationFacts, probeIsolation, toIsolationFacts } from '@gantry/runners';
import { createLocalInventory } from '@gantry/runners/inventory';
import { hasEmbeddedPostgres } from '@gantry/store';

interface Probe {
  readonly isolation: IsolationFacts;
  readonly devices: readonly { readonly model: string; readonly healthy: boolean }[];
  readonly facts: Readonly<Record<string, unknown>>;
  readonly disk: { readonly path: string; readonly freeBytes: number; readonly totalBytes: number };
  /** Whether a Postgres for this system came with the install. */
  readonly hasPostgres: boolean;
}

export async function probeMachine(dataDir: string): Promise<Probe> {
  const path = nearestFolder(dataDir);
  const machine = await createLocalInventory({ dataDir: path }).look();
  return {
    isolation: toIsolationFacts(probeIsolation()),
    devices: machine.devices.map(({ model, healthy }) => ({ model, healthy })),
    facts: machine.facts,
    disk: {
      path,
      freeBytes: machine.disks[0]?.freeBytes ?? 0,
      totalBytes: machine.disks[0]?.totalBytes ?? 0,
    },
    hasPostgres: hasEmbeddedPostgres(),
  };
}

/** A data directory that is not there yet lies on the disk of the folder that would hold it. */
function nearestFolder(path: string): string {
  for (let at = resolve(path); ; at = dirname(at)) {
    if (statSync(at, { throwIfNoEntry: false })?.isDirectory() === true || at === dirname(at)) return at;
  }
}
