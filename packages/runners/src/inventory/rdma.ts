/** InfiniBand and RoCE devices as the kernel lists them (Linux `Documentation/ABI/stable/sysfs-class-infiniband`). */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export interface RdmaDevice {
  readonly name: string;
  /** "InfiniBand" or "Ethernet" (RoCE). */
  readonly linkLayer: string;
  readonly isActive: boolean;
}

export function listRdma(root = '/sys/class/infiniband'): readonly RdmaDevice[] {
  return namesIn(root).map((name) => {
    const ports = namesIn(join(root, name, 'ports')).map((port) => join(root, name, 'ports', port));
    const active = ports.find((port) => textOf(join(port, 'state')).includes('ACTIVE'));
    return {
      name,
      linkLayer: textOf(join(active ?? ports[0] ?? '', 'link_layer')),
      isActive: active !== undefined,
    };
  });
}

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir).sort();
  } catch {
    return [];
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}
