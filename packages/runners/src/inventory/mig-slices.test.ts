import { expect, test } from 'vitest';
import { readNvidia } from './nvidia.ts';

const slice = (index: number, instance: number, total: number, used: number): string =>
  `<mig_device><index>${index}</index><gpu_instance_id>${instance}</gpu_instance_id><compute_instance_id>0</compute_instance_id>
<fb_memory_usage><total>${total} MiB</total><reserved>0 MiB</reserved><used>${used} MiB</used><free>${total - used} MiB</free></fb_memory_usage></mig_device>`;

const xml = `<nvidia_smi_log><gpu id="0"><product_name>NVIDIA A100-SXM4-40GB</product_name><uuid>GPU-a</uuid><mig_mode><current_mig>Enabled</current_mig></mig_mode>
<mig_devices>${slice(0, 2, 19968, 11)}${slice(1, 9, 4864, 4000)}</mig_devices>
<fb_memory_usage><total>40960 MiB</total><reserved>571 MiB</reserved><used>4011 MiB</used><free>36378 MiB</free></fb_memory_usage></gpu>
<gpu id="1"><product_name>NVIDIA A100-SXM4-40GB</product_name><uuid>GPU-b</uuid><mig_mode><current_mig>Disabled</current_mig></mig_mode>
<fb_memory_usage><total>40960 MiB</total><reserved>571 MiB</reserved><used>0 MiB</used><free>40389 MiB</free></fb_memory_usage></gpu></nvidia_smi_log>`;

const list = `GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-a)
  MIG 3g.20gb     Device  0: (UUID: MIG-c6d4f1ef)
  MIG 1g.5gb      Device  1: (UUID: MIG-cba663e8)
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-b)
`;

test('each slice of a divided GPU is a device of its own, named by its profile; whole GPUs are as before', () => {
  const { devices } = readNvidia(xml, '', [], list);
  expect(devices.map(({ id, profile, migEnabled, index }) => [id, profile, migEnabled, index])).toEqual([
    ['GPU-a', undefined, true, 0],
    ['MIG-c6d4f1ef', '3g.20gb', true, 0],
    ['MIG-cba663e8', '1g.5gb', true, 0],
    ['GPU-b', undefined, false, 1],
  ]);
  expect(devices[2]).toMatchObject({
    model: 'NVIDIA A100-SXM4-40GB',
    memoryBytes: 4864 * 1024 ** 2,
    memoryUsedBytes: 4000 * 1024 ** 2,
    largestFreeBytes: 864 * 1024 ** 2,
    healthy: true,
  });
});

test('slices whose names are not told are not offered', () => {
  expect(readNvidia(xml, '', [], '').devices.map(({ id }) => id)).toEqual(['GPU-a', 'GPU-b']);
  expect(readNvidia(xml, '', [], 'No devices found.\n').devices).toHaveLength(2);
});
