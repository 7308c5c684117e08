import { describe, expect, it } from 'vitest';
import { parseNvidiaSmi, parseTopology } from './nvidia.ts';

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

  it('reads the link matrix', () => {
    const links = parseTopology(
      '\tGPU0\tGPU1\tCPU Affinity\nGPU0\t X \tNV12\t0-31\nGPU1\tNV12\t X \t0-31\n\nLegend:\n  X = Self\n',
    );
    expect(links.get(0)?.get(1)).toBe('NV12');
    expect(links.get(1)?.get(0)).toBe('NV12');
  });
});
