/** Summing 40 MB of gradients over 2 and 4 processes on Unix sockets, and over threads, beside gloo; rounds alternate. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { BenchLine } from '../bench-line.ts';
import { freePort } from './free-port.ts';
import { median } from './median.ts';
import { createThreadMeeting } from '../../packages/trainer/src/group/index.ts';
import type { ThreadOrders } from './all-reduce-thread-process.ts';
import { startRanks, startTorchPeers } from './torch-peer.ts';

const elements = 10 * 1024 * 1024;
const rounds = 15;
/** How many times as fast as gloo (issue 5). */
const bars = { processes: 1.2, threads: 4 } as const;
type Ranks = keyof typeof bars;

export async function allReduce(): Promise<BenchLine[]> {
  const lines: BenchLine[] = [];
  for (const kind of Object.keys(bars) as Ranks[])
    for (const size of [2, 4]) lines.push(await compare(size, kind));
  return lines;
}

async function compare(size: number, kind: Ranks): Promise<BenchLine> {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-bench-ranks-'));
  try {
    const argsWith = (where: string): string[][] =>
      Array.from({ length: size }, (_, rank) => [String(rank), String(size), where, String(elements)]);
    const ranks =
      kind === 'threads'
        ? await startThreads(size)
        : await startRanks('all-reduce-process.ts', argsWith(directory));
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
      case: `all-reduce-40MB-${size}-${kind}`,
      ours,
      peer,
      peerName: gloo === undefined ? undefined : `torch ${gloo.version} gloo`,
      better: 'less',
      bar: `peer / ours >= ${bars[kind]}`,
      pass: peer === undefined || peer / ours >= bars[kind],
      unit: 'ms',
      rounds: oursMs,
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Ranks as threads of this process; the slowest counts. */
async function startThreads(size: number): Promise<{ measure(): Promise<number>; stop(): void }> {
  const meeting = createThreadMeeting(size);
  const path = join(import.meta.dirname, 'all-reduce-thread-process.ts');
  const workers = Array.from({ length: size }, (_, rank) => {
    const workerData: ThreadOrders = { meeting, rank, elements };
    return new Worker(path, { workerData });
  });
  // An error in a thread is an error event here: unheard, it ends the bench.
  const answers = (): Promise<number[]> =>
    Promise.all(
      workers.map(
        (worker) =>
          new Promise<number>((resolve) => {
            worker.once('message', resolve);
          }),
      ),
    );
  await answers();
  return {
    measure: async () => {
      const all = answers();
      for (const worker of workers) worker.postMessage('sum');
      return Math.max(...(await all));
    },
    stop: () => {
      for (const worker of workers) worker.postMessage('end');
    },
  };
}
