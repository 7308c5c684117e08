/**
 * NVIDIA accelerators through `nvidia-smi`, and what the kernel log says against them. The parsers are pure; a machine
 * without the program has no such device.
 */
import { execFile } from 'node:child_process';
import { promisify, stripVTControlCharacters } from 'node:util';
import {
  type Accelerator,
  type DeviceProcess,
  type Discovery,
  type LinkMatrix,
  type MigSlice,
  withIslands,
} from './accelerator.ts';
import { type KernelMessage, readKernelLog } from './kernel-log.ts';
import { parseDeviceList, withSlices } from './mig-slices.ts';
import { xidProblems } from './nvidia-xid.ts';

const run = promisify(execFile);

export async function discoverNvidia(): Promise<Discovery> {
  try {
    const [xml, topology, list] = await Promise.all([
      run('nvidia-smi', ['-q', '-x'], { timeout: 20_000, maxBuffer: 32 * 1024 ** 2 }),
      run('nvidia-smi', ['topo', '-m'], { timeout: 20_000 }).catch(() => ({ stdout: '' })),
      run('nvidia-smi', ['-L'], { timeout: 20_000 }).catch(() => ({ stdout: '' })),
    ]);
    return readNvidia(xml.stdout, topology.stdout, readKernelLog(), list.stdout);
  } catch (error) {
    // The program is there and fails: a driver that does not answer is worth telling.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { devices: [], facts: {} };
    return { devices: [], facts: { nvidiaProblem: firstLine((error as { stdout?: string }).stdout) } };
  }
}

/** All of them together; without the kernel log the facts say that Xid events are not seen. */
export function readNvidia(
  xml: string,
  topology: string,
  kernelLog: readonly KernelMessage[] | undefined,
  list = '',
): Discovery {
  const found = parseNvidiaSmi(xml, kernelLog ?? []);
  const { links, numaNodes } = parseTopology(topology);
  const devices = withIslands(found.devices, links, (link) => /^NV\d+$/.test(link));
  return {
    facts: {
      ...found.facts,
      ...(kernelLog === undefined ? { xidEvents: 'the kernel log cannot be read' } : {}),
    },
    devices: withSlices(
      devices.map((device) => {
        const numaNode = numaNodes.get(device.index);
        return numaNode === undefined ? device : { ...device, numaNode };
      }),
      parseDeviceList(list),
    ),
  };
}

const firstLine = (text: string | undefined): string =>
  (text ?? '').split('\n').find((line) => line.trim() !== '') ?? 'nvidia-smi failed';

const tag = (text: string, name: string): string | undefined =>
  new RegExp(`<${name}[^>]*>([^<]*)</${name}>`).exec(text)?.[1]?.trim();
const section = (text: string, name: string): string =>
  new RegExp(`<${name}>([\\s\\S]*?)</${name}>`).exec(text)?.[1] ?? '';

/** `81559 MiB` → bytes; 0 for `N/A`. */
function mebibytes(text: string | undefined): number {
  const match = /^(\d+)\s*MiB$/.exec(text ?? '');
  return match ? Number(match[1]) * 1024 ** 2 : 0;
}

function leadingNumber(text: string | undefined): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\b/.exec(text ?? '');
  return match ? Number(match[1]) : undefined;
}

/** Reads the output of `nvidia-smi -q -x`, and whatever the kernel log holds against a device. */
export function parseNvidiaSmi(xml: string, kernelLog: readonly KernelMessage[] = []): Discovery {
  const devices = [...xml.matchAll(/<gpu id="([^"]+)">([\s\S]*?)<\/gpu>/g)].map(
    ([, bus = '', whole = ''], position) => toAccelerator(bus, whole, position, xidProblems(kernelLog, bus)),
  );
  const facts = {
    driverVersion: tag(xml, 'driver_version'),
    cudaVersion: tag(xml, 'cuda_version'),
  };
  return {
    devices,
    facts: Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined)),
  };
}

function toAccelerator(bus: string, whole: string, position: number, xids: readonly string[]): Accelerator {
  const slices = section(whole, 'mig_devices');
  // Slices repeat the tags of the whole GPU, before it.
  const body = whole.replace(slices, '');
  const memory = section(body, 'fb_memory_usage');
  const migEnabled = tag(section(body, 'mig_mode'), 'current_mig') === 'Enabled';
  const migSlices = [...slices.matchAll(/<mig_device>([\s\S]*?)<\/mig_device>/g)].map(([, slice = '']) =>
    toSlice(slice),
  );
  const free = mebibytes(tag(memory, 'free'));
  const processes = processesOf(section(body, 'processes'));
  const healthProblems = [...problemsOf(body), ...xids];
  const utilisation = leadingNumber(tag(section(body, 'utilization'), 'gpu_util'));
  const temperature = leadingNumber(tag(section(body, 'temperature'), 'gpu_temp'));
  return {
    id: tag(body, 'uuid') ?? bus,
    // nvidia-smi lists in bus order, which its topology and CUDA_DEVICE_ORDER=PCI_BUS_ID count by; minor numbers may differ.
    index: position,
    kind: 'nvidia',
    model: tag(body, 'product_name') ?? 'NVIDIA',
    memoryBytes: mebibytes(tag(memory, 'total')),
    memoryUsedBytes: mebibytes(tag(memory, 'used')),
    memoryReservedBytes: mebibytes(tag(memory, 'reserved')),
    largestFreeBytes: migEnabled
      ? Math.max(0, ...migSlices.map(({ memoryBytes, memoryUsedBytes }) => memoryBytes - memoryUsedBytes))
      : free,
    healthy: healthProblems.length === 0,
    healthProblems,
    migEnabled,
    migSlices,
    ...(processes.length === 0 ? {} : { processes }),
    ...(utilisation === undefined ? {} : { utilisationPercent: utilisation }),
    ...(temperature === undefined ? {} : { temperatureC: temperature }),
  };
}

/** Ids are those of this machine; in a container the driver may show none. */
function processesOf(text: string): DeviceProcess[] {
  return [...text.matchAll(/<process_info>([\s\S]*?)<\/process_info>/g)].flatMap(([, one = '']) => {
    const pid = leadingNumber(tag(one, 'pid'));
    return pid === undefined ? [] : [{ pid, memoryBytes: mebibytes(tag(one, 'used_memory')) }];
  });
}

function toSlice(slice: string): MigSlice {
  const memory = section(slice, 'fb_memory_usage');
  const index = tag(slice, 'index');
  return {
    ...(index === undefined ? {} : { index: Number(index) }),
    gpuInstance: Number(tag(slice, 'gpu_instance_id') ?? 0),
    computeInstance: Number(tag(slice, 'compute_instance_id') ?? 0),
    memoryBytes: mebibytes(tag(memory, 'total')),
    memoryUsedBytes: mebibytes(tag(memory, 'used')),
  };
}

/** Only what makes a device unfit: corrected errors are a device at work. */
function problemsOf(body: string): readonly string[] {
  const volatile = section(section(body, 'ecc_errors'), 'volatile');
  // Ampere and later name each memory; before, a section counted what was beyond correction.
  const named = [...volatile.matchAll(/<\w*uncorrectable\w*>(\d+)</g)].map(([, count]) => Number(count));
  const older = Number(tag(section(volatile, 'double_bit'), 'total') ?? 0) || 0;
  const uncorrectable = named.reduce((sum, count) => sum + count, older);
  const remapped = section(body, 'remapped_rows');
  return [
    ...(uncorrectable > 0 ? [`${uncorrectable} uncorrectable ECC errors`] : []),
    ...(tag(remapped, 'remapped_row_failure') === 'Yes' ? ['row remapping failed: replace the device'] : []),
    ...(tag(remapped, 'remapped_row_pending') === 'Yes'
      ? ['a row waits to be remapped: reset the device']
      : []),
    ...(tag(section(body, 'retired_pages'), 'pending_retirement') === 'Yes'
      ? ['a page waits to be retired: reset the device']
      : []),
    ...(/GPU requires reset|Unknown Error|GPU is lost/i.test(body) ? ['does not answer: needs a reset'] : []),
  ];
}

/** `nvidia-smi topo -m` → links between GPUs by index: `NV12` is twelve NVLinks, `PIX`/`NODE`/`SYS` are PCIe paths. */
export function parseTopology(text: string): {
  readonly links: LinkMatrix;
  readonly numaNodes: ReadonlyMap<number, number>;
} {
  const lines = stripVTControlCharacters(text).split('\n');
  const header = lines.find((line) => /^\s*GPU0\s+(?:GPU|CPU|NIC|mlx)/.test(line)) ?? '';
  // "CPU Affinity" and its like are two words, so the header is cut at tabs where there are any.
  const columns = header.includes('\t')
    ? header.split('\t').map((cell) => cell.trim())
    : ['', ...header.trim().split(/\s{2,}|\s(?=GPU|NIC|mlx|CPU|NUMA)/)];
  const numaColumn = columns.findIndex((column) => /^NUMA(?: Affinity)?$/.test(column));
  const links = new Map<number, ReadonlyMap<number, string>>();
  const numaNodes = new Map<number, number>();
  for (const line of lines) {
    const row = /^GPU(\d+)\s/.exec(line);
    if (row === null || line === header) continue;
    const cells = header.includes('\t')
      ? line.split('\t').map((cell) => cell.trim())
      : line.trim().split(/\s+/);
    const own = new Map<number, string>();
    columns.forEach((column, position) => {
      const peer = /^GPU(\d+)$/.exec(column)?.[1];
      const cell = cells[position] ?? '';
      if (peer !== undefined && /^(?:NV\d+|PIX|PXB|PHB|NODE|SYS|SOC)$/.test(cell))
        own.set(Number(peer), cell);
    });
    links.set(Number(row[1]), own);
    const numa = cells[numaColumn];
    if (numaColumn !== -1 && numa !== undefined && /^\d+$/.test(numa))
      numaNodes.set(Number(row[1]), Number(numa));
  }
  return { links, numaNodes };
}
