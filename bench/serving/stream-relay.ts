/** 256 streams of a delta every 20 ms through the gateway, usage counted and its frame taken out. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchLine } from '../bench-line.ts';
import { startNode, startProgram } from './child-node.ts';
import { requestBytes } from './closed-loop.ts';
import { compileC } from './compile-c.ts';
import { cpuMicros } from './cpu-time.ts';
import { median } from './gateway-cost.ts';

const here = import.meta.dirname;
const streams = 256;
const deltas = 128;
/** Until what is hot has been compiled: the second round still costs a third more than the fifth. */
const warmUps = 3;
const rounds = 9;
const asked = {
  port: 0,
  headers: { authorization: 'Bearer sk-bench' },
  body: JSON.stringify({ model: 'chat', messages: [{ role: 'user', content: 'go on' }], stream: true }),
};

export async function streamRelay(): Promise<BenchLine[]> {
  const folder = mkdtempSync(join(tmpdir(), 'gwb-'));
  try {
    const generator = compileC(join(here, 'stream-client.c'), folder);
    const request = join(folder, 'request');
    writeFileSync(request, requestBytes(asked));
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
    for (let round = 0; round < warmUps + rounds; round++) {
      const before = cpuMicros(gateway.pid);
      const words = [gateway.hello['port'], streams, deltas, request].map(String);
      await using client = await startProgram(generator, words);
      const used = cpuMicros(gateway.pid) - before;
      const seen = client.hello as {
        complete: number;
        usageSeen: number;
        chunks: number;
        worstLateMs: number;
        clientCpuMicros: number;
      };
      if (round < warmUps) continue;
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
        case: `relay cpu per chunk (compiled client: ${clientMicros.toFixed(1)} us)`,
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
