/**
 * One step of the same global batch on two cores: ours as two processes, beside DistributedDataParallel on gloo and
 * torch eager with two threads; rounds alternate.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchLine } from '../bench-line.ts';
import { freePort } from './free-port.ts';
import { median } from './median.ts';
import { startRanks, startTorchPeers, type Contender } from './torch-peer.ts';

const batch = 8;
const ranks = 2;
const rounds = 9;
const sizesWith = (sequences: number): string[] => [6, sequences, 256, 512, 384, 6, 1024].map(String);

/** How many times as fast (issue 5). */
const bars = { 'DDP gloo, 2 processes': 1.1, 'eager, 2 threads': 1.05, 'compile, 2 threads': 1 } as const;
const names = {
  'DDP gloo, 2 processes': 'ddp',
  'eager, 2 threads': 'threads',
  'compile, 2 threads': 'compiled-threads',
} as const;

export async function dataParallel(): Promise<BenchLine[]> {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-bench-ranks-'));
  try {
    const share = sizesWith(batch / ranks);
    const each = <Item>(make: (rank: number) => Item): Item[] =>
      Array.from({ length: ranks }, (_, rank) => make(rank));
    const ours = await startRanks(
      'data-parallel-process.ts',
      each((rank) => [...share, String(rank), String(ranks), directory]),
    );
    const port = String(await freePort());
    const peers: Readonly<Record<keyof typeof bars, Contender | undefined>> = {
      'DDP gloo, 2 processes': await startTorchPeers(
        'torch_step.py',
        each((rank) => [...share, '1', String(rank), String(ranks), port]),
      ),
      'eager, 2 threads': await startTorchPeers('torch_step.py', [[...sizesWith(batch), '2']]),
      'compile, 2 threads': await startTorchPeers('torch_step.py', [
        [...sizesWith(batch), '2', 'compile'],
      ]).catch(() => undefined),
    };
    const contenders = Object.entries(peers);
    const oursMs: number[] = [];
    const peerMs = new Map(contenders.map(([name]) => [name, [] as number[]]));
    for (let round = -1; round < rounds; round += 1) {
      const ms = await ours.measure();
      if (round >= 0) oursMs.push(ms);
      for (const [name, peer] of contenders) {
        const theirs = await peer?.measure();
        if (round >= 0 && theirs !== undefined) peerMs.get(name)?.push(theirs);
      }
    }
    ours.stop();
    for (const [, peer] of contenders) peer?.stop();
    return Object.entries(bars).map(([name, bar]) => {
      const peer = peers[name as keyof typeof bars];
      const mine = median(oursMs);
      const theirs = peer === undefined ? undefined : median(peerMs.get(name) ?? []);
      return {
        bench: 'training',
        case: `data-parallel-vs-${names[name as keyof typeof names]}`,
        ours: mine,
        peer: theirs,
        peerName: peer === undefined ? undefined : `torch ${peer.version} ${name}`,
        better: 'less',
        bar: `peer / ours >= ${bar}`,
        pass: theirs === undefined || theirs / mine >= bar,
        unit: 'ms',
        rounds: oursMs,
      };
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
