import { describe, expect, it } from 'vitest';
import { parseNvidiaSmi, parseTopology, readNvidia } from './nvidia.ts';

const gpu = (
  id: string,
  extra: string,
): string => `<gpu id="${id}"><product_name>NVIDIA H100 80GB HBM3</product_name><uuid>GPU-${id}</uuid><minor_number>0</minor_number>
<fb_memory_usage><total>81559 MiB</total><reserved>551 MiB</reserved><used>12 MiB</used><free>80996 MiB</free></fb_memory_usage>
<utilization><gpu_util>7 %</gpu_util></utilization><temperature><gpu_temp>34 C</gpu_temp></temperature>${extra}</gpu>`;

describe('nvidia-smi', () => {
  it('reads model, memory, use and versions', () => {
    const found = parseNvidiaSmi(
      `<nvidia_smi_log><driver_version>550.54.15</driver_version><cuda_version>12.4</cuda_version>${gpu('0', '<mig_mode><current_mig>Disabled</current_mig></mig_mode>')}</nvidia_smi_log>`,
    );
    expect(found.facts).toEqual({ driverVersion: '550.54.15', cudaVersion: '12.4' });
    expect(found.devices[0]).toMatchObject({
      model: 'NVIDIA H100 80GB HBM3',
      memoryBytes: 81559 * 1024 ** 2,
      utilisationPercent: 7,
      temperatureC: 34,
      healthy: true,
      migEnabled: false,
    });
  });

  it('tells who has memory of it, where the driver does', () => {
    const one = (pid: string, memory: string): string =>
      `<process_info><pid>${pid}</pid><type>C</type><process_name>python</process_name><used_memory>${memory}</used_memory></process_info>`;
    const found = parseNvidiaSmi(
      gpu('0', `<processes>${one('4711', '1024 MiB')}${one('4712', 'N/A')}</processes>`) +
        gpu('1', '<processes></processes>'),
    );
    expect(found.devices[0]?.processes).toEqual([
      { pid: 4711, memoryBytes: 1024 ** 3 },
      { pid: 4712, memoryBytes: 0 },
    ]);
    expect(found.devices[1]?.processes).toBeUndefined();
  });

  it('calls a device with uncorrectable errors unhealthy and says why', () => {
    const found = parseNvidiaSmi(
      gpu(
        '1',
        '<ecc_errors><volatile><sram_uncorrectable_parity>0</sram_uncorrectable_parity><dram_uncorrectable>2</dram_uncorrectable></volatile></ecc_errors>',
      ),
    );
    expect(found.devices[0]).toMatchObject({
      healthy: false,
      healthProblems: ['2 uncorrectable ECC errors'],
    });
  });

  it('finds nothing in nonsense', () => expect(parseNvidiaSmi('<html>').devices).toEqual([]));

  it('keeps the slices of a divided GPU apart from the GPU', () => {
    const slice = (instance: number, total: number, used: number): string =>
      `<mig_device><index>0</index><gpu_instance_id>${instance}</gpu_instance_id><compute_instance_id>0</compute_instance_id>
<fb_memory_usage><total>${total} MiB</total><reserved>0 MiB</reserved><used>${used} MiB</used><free>${total - used} MiB</free></fb_memory_usage></mig_device>`;
    const [device] = parseNvidiaSmi(
      `<gpu id="0"><product_name>NVIDIA A100-SXM4-40GB</product_name><mig_mode><current_mig>Enabled</current_mig></mig_mode>
<mig_devices>${slice(2, 19968, 11)}${slice(9, 4864, 4000)}</mig_devices>
<fb_memory_usage><total>40960 MiB</total><reserved>571 MiB</reserved><used>4011 MiB</used><free>36378 MiB</free></fb_memory_usage></gpu>`,
    ).devices;
    expect(device).toMatchObject({
      memoryBytes: 40960 * 1024 ** 2,
      memoryUsedBytes: 4011 * 1024 ** 2,
      largestFreeBytes: (19968 - 11) * 1024 ** 2,
      migEnabled: true,
      migSlices: [{ gpuInstance: 2 }, { gpuInstance: 9, memoryUsedBytes: 4000 * 1024 ** 2 }],
    });
  });

  it.each([
    [
      '<ecc_errors><volatile><double_bit><device_memory>1</device_memory><total>1</total></double_bit></volatile></ecc_errors>',
      '1 uncorrectable',
    ],
    ['<remapped_rows><remapped_row_pending>Yes</remapped_row_pending></remapped_rows>', 'remapped'],
    ['<power_state>GPU requires reset</power_state>', 'reset'],
  ])('knows %s as bad', (extra, word) => {
    expect(parseNvidiaSmi(gpu('2', extra)).devices[0]?.healthProblems.join()).toContain(word);
  });

  it('leaves a device with corrected errors in service', () => {
    const corrected =
      '<ecc_errors><volatile><sram_correctable>4</sram_correctable><dram_correctable>9</dram_correctable></volatile></ecc_errors>';
    expect(parseNvidiaSmi(gpu('3', corrected)).devices[0]?.healthy).toBe(true);
  });
});

/** A matrix as the tool prints one: tabs, padded cells, other devices among the columns. */
const matrix = (
  gpus: number,
  link: (a: number, b: number) => string,
  numa: (a: number) => number,
): string => {
  const names = Array.from({ length: gpus }, (_, index) => `GPU${index}`);
  return [
    `\t\u001b[4m${[...names, 'NIC0', 'CPU Affinity', 'NUMA Affinity', 'GPU NUMA ID'].join('\t')}\u001b[0m`,
    ...names.map((name, a) =>
      [
        name,
        ...names.map((_, b) => (a === b ? ' X ' : link(a, b))),
        'PXB',
        `${numa(a) * 52}-${numa(a) * 52 + 51}`,
        String(numa(a)),
        '\t\tN/A',
      ].join('\t'),
    ),
    `NIC0\t${names.map(() => 'PXB').join('\t')}\t X `,
    '',
    'Legend:',
    '  X    = Self',
  ].join('\n');
};
const machine = (gpus: number): string =>
  Array.from({ length: gpus }, (_, index) => gpu(String(index), '')).join('');

describe('link islands', () => {
  it.each([
    ['eight GPUs behind switches, twelve links each', 8, () => 'NV12', 1],
    ['eight GPUs behind switches, eighteen links each', 8, () => 'NV18', 1],
    ['a workstation with two cards on PCIe', 2, () => 'PHB', 2],
    ['four cards bridged in pairs', 4, (a: number, b: number) => (a >> 1 === b >> 1 ? 'NV4' : 'SYS'), 2],
    [
      'a ring, joined only through neighbours',
      4,
      (a: number, b: number) => ([1, 3].includes(Math.abs(a - b)) ? 'NV2' : 'SYS'),
      1,
    ],
  ] as const)('%s', (_, gpus, link, islands) => {
    const { devices } = readNvidia(
      machine(gpus),
      matrix(gpus, link, (a) => Math.floor((a * 2) / gpus)),
      [],
    );
    expect(new Set(devices.map(({ island }) => island)).size).toBe(islands);
    expect(devices.map(({ numaNode }) => numaNode)).toEqual(
      devices.map(({ index }) => Math.floor((index * 2) / gpus)),
    );
    expect(Object.keys(devices[0]?.links ?? {})).toHaveLength(gpus - 1);
  });

  it('reads a matrix whose tabs became blanks', () => {
    const { links } = parseTopology(
      '        GPU0  GPU1  CPU Affinity  NUMA\nGPU0     X    NV18  0-51         0\nGPU1    NV18   X    0-51         0\n',
    );
    expect(links.get(0)?.get(1)).toBe('NV18');
    expect(links.get(1)?.get(0)).toBe('NV18');
  });

  it('is without links when the tool says nothing', () => {
    const { devices } = readNvidia(machine(2), '', []);
    expect(new Set(devices.map(({ island }) => island)).size).toBe(2);
  });
});
