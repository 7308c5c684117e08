/** NVIDIA accelerators through `nvidia-smi`. The parsers are pure; a machine without the program has no such device. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export interface Accelerator {
  readonly id: string;
  readonly index: number;
  readonly kind: 'nvidia' | 'amd';
  readonly model: string;
  readonly memoryBytes: number;
  readonly memoryUsedBytes: number;
  readonly memoryReservedBytes: number;
  readonly utilisationPercent?: number;
  readonly temperatureC?: number;
  readonly healthy: boolean;
  readonly healthProblems: readonly string[];
  readonly migEnabled: boolean;
  readonly island?: string;
}

export interface Discovery {
  readonly devices: readonly Accelerator[];
  readonly facts: Readonly<Record<string, unknown>>;
}

const run = promisify(execFile);

export async function discoverNvidia(): Promise<Discovery> {
  try {
    const [xml, topology] = await Promise.all([
      run('nvidia-smi', ['-q', '-x'], { timeout: 20_000, maxBuffer: 32 * 1024 ** 2 }),
      run('nvidia-smi', ['topo', '-m'], { timeout: 20_000 }).catch(() => ({ stdout: '' })),
    ]);
    const found = parseNvidiaSmi(xml.stdout);
    return { ...found, devices: withIslands(found.devices, parseTopology(topology.stdout)) };
  } catch {
    return { devices: [], facts: {} };
  }
}

const tag = (text: string, name: string): string | undefined =>
  new RegExp(`<${name}[^>]*>([^<]*)</${name}>`).exec(text)?.[1]?.trim();
const section = (text: string, name: string): string =>
  new RegExp(`<${name}>([\\s\\S]*?)</${name}>`).exec(text)?.[1] ?? '';

/** `81559 MiB` → bytes; undefined for `N/A`. */
function mebibytes(text: string | undefined): number | undefined {
  const match = /^(\d+)\s*MiB$/.exec(text ?? '');
  return match ? Number(match[1]) * 1024 ** 2 : undefined;
}

function leadingNumber(text: string | undefined): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\b/.exec(text ?? '');
  return match ? Number(match[1]) : undefined;
}

/** Reads the output of `nvidia-smi -q -x`. */
export function parseNvidiaSmi(xml: string): Discovery {
  const devices = [...xml.matchAll(/<gpu id="([^"]+)">([\s\S]*?)<\/gpu>/g)].map(
    ([, bus = '', body = ''], index): Accelerator => {
      const memory = section(body, 'fb_memory_usage');
      const utilisation = leadingNumber(tag(section(body, 'utilization'), 'gpu_util'));
      const temperature = leadingNumber(tag(section(body, 'temperature'), 'gpu_temp'));
      const volatile = section(section(body, 'ecc_errors'), 'volatile');
      const uncorrectable = [...volatile.matchAll(/<\w*(?:uncorrectable|double_bit)\w*>(\d+)</g)].reduce(
        (sum, match) => sum + Number(match[1]),
        0,
      );
      const problems = [
        ...(uncorrectable > 0 ? [`${uncorrectable} uncorrectable ECC errors`] : []),
        ...(tag(section(body, 'remapped_rows'), 'remapped_row_failure') === 'Yes'
          ? ['row remapping failed']
          : []),
        ...(/GPU requires reset|Unknown Error/i.test(body) ? ['needs a reset'] : []),
      ];
      return {
        id: tag(body, 'uuid') ?? bus,
        index: Number(tag(body, 'minor_number') ?? index),
        kind: 'nvidia',
        model: tag(body, 'product_name') ?? 'NVIDIA',
        memoryBytes: mebibytes(tag(memory, 'total')) ?? 0,
        memoryUsedBytes: mebibytes(tag(memory, 'used')) ?? 0,
        memoryReservedBytes: mebibytes(tag(memory, 'reserved')) ?? 0,
        healthy: problems.length === 0,
        healthProblems: problems,
        migEnabled: tag(section(body, 'mig_mode'), 'current_mig') === 'Enabled',
        ...(utilisation === undefined ? {} : { utilisationPercent: utilisation }),
        ...(temperature === undefined ? {} : { temperatureC: temperature }),
      };
    },
  );
  return {
    devices,
    facts: { driverVersion: tag(xml, 'driver_version'), cudaVersion: tag(xml, 'cuda_version') },
  };
}

/** `nvidia-smi topo -m` → link kind between GPUs by index: `NV12` is twelve links, `PIX`/`NODE`/`SYS` are PCIe paths. */
export function parseTopology(text: string): ReadonlyMap<number, ReadonlyMap<number, string>> {
  const plain = text.replaceAll(/\u001b\[[0-9;]*m/g, '');
  const header = plain.split('\n').find((line) => /^\s*GPU0\b/.test(line)) ?? '';
  const columns = header.trim().split(/\s+/);
  const matrix = new Map<number, ReadonlyMap<number, string>>();
  for (const line of plain.split('\n')) {
    const row = /^GPU(\d+)\s+(.*)$/.exec(line);
    if (row === null || line === header) continue;
    const cells = (row[2] ?? '').trim().split(/\s+/);
    matrix.set(
      Number(row[1]),
      new Map(
        columns.flatMap((column, position) =>
          /^GPU\d+$/.test(column) && cells[position] !== 'X'
            ? [[Number(column.slice(3)), cells[position] ?? '']]
            : [],
        ),
      ),
    );
  }
  return matrix;
}

/** GPUs that reach each other over NVLink share an island. */
function withIslands(
  devices: readonly Accelerator[],
  links: ReadonlyMap<number, ReadonlyMap<number, string>>,
): readonly Accelerator[] {
  const island = new Map<number, number>();
  for (const { index } of devices) {
    const peer = devices.find(
      (other) => other.index < index && /^NV\d+$/.test(links.get(index)?.get(other.index) ?? ''),
    );
    island.set(index, peer === undefined ? index : (island.get(peer.index) ?? peer.index));
  }
  return devices.map((device) => ({ ...device, island: `nvlink-${island.get(device.index)}` }));
}
