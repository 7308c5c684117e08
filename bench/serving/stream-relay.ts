/** 256 streams of a delta every 20 ms through the gateway, usage counted and its frame taken out. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchLine } from '../bench-line.ts';
import { startNode } from './child-node.ts';
import { cpuMicros } from './cpu-time.ts';
import { median } from './gateway-cost.ts';

const here = import.meta.dirname;
const streams = 256;
const deltas = 128;

export async function streamRelay(): Promise<BenchLine[]> {
  const folder = mkdtempSync(join(tmpdir(), 'gwb-'));
  try {
    const sockets = [join(folder, 'a'), join(folder, 'b')];
    const env = { DELTAS: String(deltas) };
    await using _a = await startNode([join(here, 'upstream-process.ts'), sockets[0] ?? ''], env);
    await using _b = await startNode([join(here, 'upstream-process.ts'), sockets[1] ?? ''], env);
    await using gateway = await startNode([join(here, 'gateway-process.ts'), ...sockets]);
    const perChunk: number[] = [];
    const worst: number[] = [];
    let lost = 0;
    let leaked = 0;
    let clientMicros = 0;
    for (let round = 0; round < 4; round++) {
      const before = cpuMicros(gateway.pid);
      await using client = await startNode([
        join(here, 'stream-client-process.ts'),
        String(gateway.hello['port']),
        String(streams),
        String(deltas),
      ]);
      const used = cpuMicros(gateway.pid) - before;
      const seen = client.hello as {
        complete: number;
        usageSeen: number;
        chunks: number;
        worstLateMs: number;
        clientCpuMicros: number;
      };
      if (round === 0) continue;
      perChunk.push(used / seen.chunks);
      worst.push(seen.worstLateMs);
      lost += streams - seen.complete;
      leaked += seen.usageSeen;
      clientMicros = seen.clientCpuMicros / seen.chunks;
    }
    const absolute = { bench: 'serving', peer: undefined, peerName: undefined, better: 'less' as const };
    const cost = median(perChunk);
    const late = Math.max(...worst);
    return [
      {
        ...absolute,
        case: `relay cpu per chunk (client: ${clientMicros.toFixed(0)} us)`,
        ours: cost,
        bar: '<= 30',
        pass: cost <= 30,
        unit: 'us',
        rounds: perChunk,
      },
      {
        ...absolute,
        case: `${streams} streams of 20 ms deltas: lost streams`,
        ours: lost,
        bar: '0, no usage frame leaked',
        pass: lost === 0 && leaked === 0,
        unit: 'streams',
        rounds: [lost, leaked],
      },
      {
        ...absolute,
        case: `${streams} streams of 20 ms deltas: latest delta`,
        ours: late,
        bar: '<= 200',
        pass: late <= 200,
        unit: 'ms',
        rounds: worst,
      },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
