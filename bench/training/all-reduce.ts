/** Summing 40 MB of gradients over 2 and 4 processes on Unix sockets, beside gloo; rounds alternate. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchLine } from '../bench-line.ts';
import { freePort } from './free-port.ts';
import { median } from './median.ts';
import { startRanks, startTorchPeers } from './torch-peer.ts';

const elements = 10 * 1024 * 1024;
const rounds = 15;
/** How many times as fast as gloo (issue 5). */
const bar = 1.2;

export async function allReduce(): Promise<BenchLine[]> {
  const lines: BenchLine[] = [];
  for (const size of [2, 4]) lines.push(await compare(size));
  return lines;
}

async function compare(size: number): Promise<BenchLine> {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-bench-ranks-'));
  try {
    const argsWith = (where: string): string[][] =>
      Array.from({ length: size }, (_, rank) => [String(rank), String(size), where, String(elements)]);
    const ranks = await startRanks('all-reduce-process.ts', argsWith(directory));
    const gloo = await startTorchPeers('torch_all_reduce.py', argsWith(String(await freePort())));
    const oursMs: number[] = [];
    const glooMs: number[] = [];
    // The first rounds warm memory and sockets on both sides.
    for (let round = -2; round < rounds; round += 1) {
      const ms = await ranks.measure();
      const theirs = await gloo?.measure();
      if (round < 0) continue;
      oursMs.push(ms);
      if (theirs !== undefined) glooMs.push(theirs);
    }
    ranks.stop();
    gloo?.stop();
    const ours = median(oursMs);
    const peer = gloo === undefined ? undefined : median(glooMs);
    return {
      bench: 'training',
      case: `all-reduce-40MB-${size}-processes`,
      ours,
      peer,
      peerName: gloo === undefined ? undefined : `torch ${gloo.version} gloo`,
      better: 'less',
      bar: `peer / ours >= ${bar}`,
      pass: peer === undefined || peer / ours >= bar,
      unit: 'ms',
      rounds: oursMs,
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
