/** Saving parameters and both Adam moments of a 10.8 M parameter model, checksummed and fsynced, beside torch.save + fsync. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pruneCheckpoints, saveCheckpoint } from '../../packages/trainer/src/checkpoint/index.ts';
import type { BenchLine } from '../bench-line.ts';
import { startTorchPeer } from './torch-peer.ts';

const length = 10_800_000;
const rounds = 7;

export async function checkpointSave(): Promise<BenchLine[]> {
  const directory = await mkdtemp(join(tmpdir(), 'gantry-bench-checkpoint-'));
  try {
    const noise = (): Float32Array => Float32Array.from({ length }, Math.random);
    const buffers = { parameters: noise(), first: noise(), second: noise() };
    const peer = await startTorchPeer('torch_checkpoint.py', [directory, String(length)]);
    const oursMs: number[] = [];
    const peerMs: number[] = [];
    for (let step = 0; step <= rounds; step += 1) {
      const started = performance.now();
      await saveCheckpoint(
        directory,
        { step, position: 0, seed: 1, shape: {}, dataDigest: '', loss: undefined },
        buffers,
      );
      const ms = performance.now() - started;
      const theirs = await peer?.measure();
      await pruneCheckpoints(directory, 1);
      // The first round warms files and allocators on both sides.
      if (step === 0) continue;
      oursMs.push(ms);
      if (theirs !== undefined) peerMs.push(theirs);
    }
    peer?.stop();
    const ours = median(oursMs);
    const theirs = peer === undefined ? undefined : median(peerMs);
    return [
      {
        bench: 'training',
        case: 'checkpoint-save',
        ours,
        peer: theirs,
        peerName: peer === undefined ? undefined : `torch ${peer.version} save + fsync`,
        ratio: theirs === undefined ? undefined : ours / theirs,
        bar: 'peer / ours >= 1.7',
        pass: theirs === undefined || theirs / ours >= 1.7,
        unit: 'ms',
        rounds: oursMs,
      },
    ];
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
