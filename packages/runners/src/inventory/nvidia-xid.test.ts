/** Lines as they stand in public reports of broken machines. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseKernelLog, readKernelLog } from './kernel-log.ts';
import { xidProblems } from './nvidia-xid.ts';
import { readNvidia } from './nvidia.ts';

const bootedAtMs = Date.UTC(2026, 0, 1);
/** As the kernel writes it: error level, one second a line. */
const logged = (...texts: readonly string[]): string =>
  texts.map((text, second) => `3,${second},${second}000000,-;${text}\n SUBSYSTEM=pci\n`).join('');
const problems = (bus: string, ...texts: readonly string[]): readonly string[] =>
  xidProblems(parseKernelLog(logged(...texts), bootedAtMs), bus);

describe('an Xid in the kernel log', () => {
  it('of a device that fell off the bus makes this device unfit, and no other', () => {
    const line =
      "NVRM: Xid (PCI:0000:3b:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.";
    const sentence =
      'Xid 79 at 2026-01-01T00:00:00.000Z: fell off the bus: restart the machine, check power and seat';
    expect(problems('00000000:3B:00.0', line)).toEqual([sentence]);
    expect(problems('00000000:5E:00.0', line)).toEqual([]);
  });

  it('is read in the form of old drivers, and of a device that is gone when its driver comes up', () => {
    expect(problems('0000:03:00.0', 'NVRM: Xid (0000:03:00): 48, Channel 00000001')).toHaveLength(1);
    const gone = String.raw`NVRM: The NVIDIA GPU 0000:b3:00.0\x0aNVRM: (PCI ID: 10de:26b5) installed in this system has\x0aNVRM: fallen off the bus and is not responding to commands.`;
    expect(problems('00000000:B3:00.0', gone)).toHaveLength(1);
  });

  it('that is a program’s own fault says nothing about the device', () => {
    const own = [
      '13, Graphics Exception',
      '31, MMU Fault',
      '43, Ch 00000010',
      '45, Ch 0000',
      '94, Contained',
    ];
    expect(problems('0:3b:0.0', ...own.map((rest) => `NVRM: Xid (PCI:0000:3b:00): ${rest}`))).toEqual([]);
  });

  it('is told once a code, and forgotten when the driver is loaded anew or says that nothing is to be done', () => {
    const xid = (rest: string): string => `NVRM: Xid (PCI:0000:3b:00): ${rest}`;
    const at = (...texts: readonly string[]): readonly string[] => problems('0000:3b:00.0', ...texts);
    const wanted = xid('154, GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)');
    expect(at(xid('95, a'), xid('95, b'), wanted)).toEqual([
      'Xid 95 at 2026-01-01T00:00:01.000Z: uncontained memory error: reset the device',
      'Xid 154 at 2026-01-01T00:00:02.000Z: the driver asks for: GPU Reset Required',
    ]);
    const done = xid('154, GPU recovery action changed from 0x1 (GPU Reset Required) to 0x0 (None)');
    expect(at(xid('95, a'), wanted, done)).toEqual([]);
    const loaded = 'NVRM: loading NVIDIA UNIX Open Kernel Module for x86_64  570.158.01';
    expect(at(xid('119, Timeout'), loaded)).toEqual([]);
    expect(at(loaded, xid('119, Timeout'))).toHaveLength(1);
  });

  it('counts only from the kernel itself: others may write into its log too', () => {
    const forged = '11,1,1000000,-;NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus.\n';
    expect(xidProblems(parseKernelLog(forged, bootedAtMs), '0000:3b:00.0')).toEqual([]);
  });
});

it('a device’s Xid stands among its health problems', () => {
  const xml = `<gpu id="00000000:3B:00.0"><product_name>NVIDIA A100</product_name><uuid>GPU-1</uuid></gpu>
<gpu id="00000000:5E:00.0"><product_name>NVIDIA A100</product_name><uuid>GPU-2</uuid></gpu>`;
  const log = parseKernelLog(logged('NVRM: Xid (PCI:0000:3b:00): 74, NVLink: fatal error'), bootedAtMs);
  expect(readNvidia(xml, '', log).devices.map(({ id, healthy }) => [id, healthy])).toEqual([
    ['GPU-1', false],
    ['GPU-2', true],
  ]);
});

describe('the kernel log', () => {
  it('is read whole, and undefined where it cannot be', () => {
    const dir = mkdtempSync(join(tmpdir(), 'gantry-kmsg-'));
    writeFileSync(join(dir, 'kmsg'), logged('one', 'two'));
    expect(readKernelLog(join(dir, 'kmsg'))?.map(({ text }) => text)).toEqual(['one', 'two']);
    expect(readKernelLog(join(dir, 'none'))).toBeUndefined();
    rmSync(dir, { recursive: true });
  });
});
