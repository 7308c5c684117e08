/**
 * How much a process that trains the Llama of step.ts has ever had resident after some steps: ours, Node and ONNX
 * Runtime included, beside torch, Python included. `memory` of a job is held to exactly this.
 */
import type { BenchLine } from '../bench-line.ts';
import { llamaNumbers } from './step.ts';
import { startRanks, startTorchPeer, type Contender } from './torch-peer.ts';

const steps = 4;

export async function peakMemory(): Promise<BenchLine[]> {
  const peer = await startTorchPeer('torch_step.py', llamaNumbers);
  const peerBytes = peer === undefined ? undefined : await peakOf(peer);
  const lines: BenchLine[] = [];
  for (const dialect of ['blocked', 'portable']) {
    const bytes = await peakOf(await startRanks('peak-memory-process.ts', [[dialect]]));
    const mebibytes = bytes.map((each) => Math.round(each / 1024 ** 2));
    const ours = mebibytes.at(-1) ?? Number.NaN;
    const theirs =
      peerBytes === undefined ? undefined : Math.round((peerBytes.at(-1) ?? Number.NaN) / 1024 ** 2);
    lines.push({
      bench: 'training',
      case: `peak-memory-${dialect}`,
      ours,
      peer: theirs,
      peerName: peer === undefined ? undefined : `torch ${peer.version} eager, 1 thread`,
      better: 'less',
      bar: 'ours / peer <= 1.05',
      pass: theirs === undefined || ours / theirs <= 1.05,
      unit: 'MiB',
      rounds: mebibytes,
    });
  }
  return lines;
}

/** After each step. */
async function peakOf(contender: Contender): Promise<number[]> {
  const peaks: number[] = [];
  for (let step = 0; step < steps; step += 1)
    peaks.push((await contender.measureAll())['peakBytes'] ?? Number.NaN);
  contender.stop();
  return peaks;
}
