/** AMD accelerators through `rocm-smi --json`. Names of fields changed over its versions; both are read. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Accelerator, Discovery } from './accelerator.ts';

const run = promisify(execFile);
const asked = [
  '--showproductname',
  '--showuniqueid',
  '--showuse',
  '--showtemp',
  '--showmeminfo',
  'vram',
  '--showdriverversion',
  '--json',
];

export async function discoverAmd(): Promise<Discovery> {
  try {
    const { stdout } = await run('rocm-smi', asked, { timeout: 20_000, maxBuffer: 8 * 1024 ** 2 });
    return parseRocmSmi(stdout);
  } catch {
    return { devices: [], facts: {} };
  }
}

type Card = Readonly<Record<string, unknown>>;

/** Pure. Warnings before the JSON are passed over; nonsense has no devices. */
export function parseRocmSmi(text: string): Discovery {
  let all: Readonly<Record<string, Card>>;
  try {
    all = JSON.parse(text.slice(Math.max(0, text.indexOf('{')))) as Readonly<Record<string, Card>>;
  } catch {
    return { devices: [], facts: {} };
  }
  const devices = Object.entries(all).flatMap(([name, card]) => {
    const index = /^card(\d+)$/.exec(name)?.[1];
    return index === undefined || typeof card !== 'object' ? [] : [toAccelerator(Number(index), card)];
  });
  const driverVersion = all['system']?.['Driver version'];
  return { devices, facts: typeof driverVersion === 'string' ? { amdDriverVersion: driverVersion } : {} };
}

function toAccelerator(index: number, card: Card): Accelerator {
  const memoryBytes = numberAt(card, 'VRAM Total Memory (B)') ?? 0;
  const memoryUsedBytes = numberAt(card, 'VRAM Total Used Memory (B)') ?? 0;
  const utilisation = numberAt(card, 'GPU use (%)');
  const temperature =
    numberAt(card, 'Temperature (Sensor edge) (C)') ?? numberAt(card, 'Temperature (Sensor junction) (C)');
  return {
    id: textAt(card, 'Unique ID') ?? `amd-${index}`,
    index,
    kind: 'amd',
    model: textAt(card, 'Card Series') ?? textAt(card, 'Card series') ?? textAt(card, 'Device Name') ?? 'AMD',
    memoryBytes,
    memoryUsedBytes,
    memoryReservedBytes: 0,
    largestFreeBytes: Math.max(0, memoryBytes - memoryUsedBytes),
    healthy: true,
    healthProblems: [],
    migEnabled: false,
    migSlices: [],
    ...(utilisation === undefined ? {} : { utilisationPercent: utilisation }),
    ...(temperature === undefined ? {} : { temperatureC: temperature }),
  };
}

function textAt(card: Card, key: string): string | undefined {
  const value = card[key];
  return typeof value === 'string' && value !== '' && value !== 'N/A' ? value : undefined;
}

function numberAt(card: Card, key: string): number | undefined {
  const text = textAt(card, key);
  const value = text === undefined ? Number.NaN : Number(text);
  return Number.isFinite(value) ? value : undefined;
}
