/** Processor time a request and requests a second, ours with everything on beside Portkey's, same upstream and load. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchLine } from '../bench-line.ts';
import { servingLine as line } from './serving-line.ts';
import { startNode } from './child-node.ts';
import { closedLoop, type LoadTarget } from './closed-loop.ts';
import { cpuMicros } from './cpu-time.ts';
import { startPortkey } from './portkey.ts';

const here = import.meta.dirname;
const body = JSON.stringify({
  model: 'chat',
  messages: [
    {
      role: 'user',
      content: 'Say something about a fox and a dog, in one sentence please, as short as can be.',
    },
  ],
  max_tokens: 64,
  temperature: 0,
});

interface Measured {
  readonly cpuMicros: number[];
  readonly rps: number[];
  readonly p50AloneMs: number[];
}

export async function gatewayCost(): Promise<BenchLine[]> {
  const folder = mkdtempSync(join(tmpdir(), 'gwb-'));
  try {
    const sockets = [join(folder, 'a'), join(folder, 'b')];
    await using _a = await startNode([join(here, 'upstream-process.ts'), sockets[0] ?? '']);
    await using _b = await startNode([join(here, 'upstream-process.ts'), sockets[1] ?? '']);
    await using tcp = await startNode([join(here, 'upstream-process.ts'), 'tcp']);
    await using gateway = await startNode([join(here, 'gateway-process.ts'), ...sockets]);
    await using portkey = await startPortkey();
    const ours: LoadTarget = {
      port: Number(gateway.hello['port']),
      headers: { authorization: 'Bearer sk-bench' },
      body,
    };
    const direct: LoadTarget = { port: Number(tcp.hello['port']), headers: {}, body };
    const theirs: LoadTarget | undefined = portkey && {
      port: portkey.port,
      headers: {
        authorization: 'Bearer sk-bench',
        'x-portkey-provider': 'openai',
        'x-portkey-custom-host': `http://127.0.0.1:${Number(tcp.hello['port'])}/v1`,
      },
      body,
    };
    const mine: Measured = { cpuMicros: [], rps: [], p50AloneMs: [] };
    const peer: Measured = { cpuMicros: [], rps: [], p50AloneMs: [] };
    const addedMs: number[] = [];
    const peerAddedMs: number[] = [];
    // Interleaved, so that a noisy neighbour hits both.
    for (let round = 0; round < 4; round++) {
      await measure(mine, ours, gateway.pid, round);
      if (theirs !== undefined && portkey !== undefined) await measure(peer, theirs, portkey.pid, round);
      const alone = await closedLoop(direct, 1, 0.5);
      if (round === 0) continue;
      addedMs.push((mine.p50AloneMs.at(-1) ?? 0) - alone.p50Ms);
      peerAddedMs.push((peer.p50AloneMs.at(-1) ?? Number.NaN) - alone.p50Ms);
    }
    const peerName = portkey === undefined ? 'Portkey (could not be started)' : `Portkey ${portkey.version}`;
    const cpu = median(mine.cpuMicros);
    const rps = median(mine.rps);
    const peerRps = theirs === undefined ? undefined : median(peer.rps);
    const peerCpu = theirs === undefined ? undefined : median(peer.cpuMicros);
    return [
      line('cpu per request', cpu, peerCpu, peerName, '<= 120', cpu <= 120, 'us', mine.cpuMicros),
      line(
        'requests per second at 32 connections',
        rps,
        peerRps,
        peerName,
        '>= 8x peer',
        peerRps !== undefined && rps >= 8 * peerRps,
        'req/s',
        mine.rps,
      ),
      line(
        'added p50 at 1 connection',
        median(addedMs),
        theirs === undefined ? undefined : median(peerAddedMs),
        peerName,
        '<= 0.2',
        median(addedMs) <= 0.2,
        'ms',
        addedMs,
      ),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Round 0 warms up and is not kept. */
async function measure(into: Measured, target: LoadTarget, pid: number, round: number): Promise<void> {
  const before = cpuMicros(pid);
  const loaded = await closedLoop(target, 32, 2);
  const after = cpuMicros(pid);
  if (loaded.failed > 0) throw new Error(`${loaded.failed} of ${loaded.requests} requests failed`);
  const alone = await closedLoop(target, 1, 0.5);
  if (round === 0) return;
  into.cpuMicros.push((after - before) / loaded.requests);
  into.rps.push(loaded.requests / loaded.seconds);
  into.p50AloneMs.push(alone.p50Ms);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
