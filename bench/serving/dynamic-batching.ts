/**
 * Requests joined by the tensor engine beside the same engine without joining, over HTTP with binary tensors: a
 * weight-bound perceptron, where joining pays, and an encoder's dense layers over 64 tokens, where it cannot.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { perceptron } from '@gantry/engines/testing/tensor-models';
import type { BenchLine } from '../bench-line.ts';
import { startNode } from './child-node.ts';
import { closedLoop, type LoadTarget } from './closed-loop.ts';
import { median } from './gateway-cost.ts';

const connections = 32;
const rounds = 3;

interface Model {
  readonly name: string;
  readonly widths: readonly number[];
  readonly tokens: number;
  /** Times the engine without joining. */
  readonly least: number;
}

const models: readonly Model[] = [
  { name: '84 MB perceptron', widths: [512, 4_096, 4_096, 512], tokens: 0, least: 5 },
  {
    name: 'dense layers over 64 tokens',
    widths: [256, 1_024, 256, 1_024, 256, 1_024, 256],
    tokens: 64,
    least: 0.95,
  },
];

export async function dynamicBatching(): Promise<BenchLine[]> {
  const folder = mkdtempSync(join(tmpdir(), 'gtb-'));
  try {
    const lines: BenchLine[] = [];
    for (const model of models) lines.push(await measure(folder, model));
    return lines;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(folder: string, { name, widths, tokens, least }: Model): Promise<BenchLine> {
  const path = join(folder, 'model.onnx');
  writeFileSync(path, perceptron(widths, { tokens }));
  const script = join(import.meta.dirname, 'tensor-process.ts');
  await using joined = await startNode([script, path, '32']);
  await using single = await startNode([script, path, '1']);
  const body = requestBody(tokens === 0 ? [1, widths[0] ?? 0] : [1, tokens, widths[0] ?? 0]);
  const targetOf = (port: unknown): LoadTarget => ({
    port: Number(port),
    path: '/v2/models/model/infer',
    headers: { 'inference-header-content-length': String(body.jsonBytes) },
    body: body.bytes,
  });
  const ours: number[] = [];
  const peer: number[] = [];
  // Interleaved, so that a noisy neighbour hits both; the first round warms up.
  for (let round = 0; round <= rounds; round++) {
    for (const [into, child] of [
      [ours, joined],
      [peer, single],
    ] as const) {
      const { requests, failed, seconds } = await closedLoop(targetOf(child.hello['port']), connections, 2);
      if (failed > 0) throw new Error(`${failed} of ${requests} requests failed`);
      if (round > 0) into.push(requests / seconds);
    }
  }
  const [mine, theirs] = [median(ours), median(peer)];
  return {
    bench: 'serving',
    case: `dynamic batching, ${name}, ${connections} connections`,
    ours: mine,
    peer: theirs,
    peerName: 'the same engine without joining',
    better: 'more',
    bar: `>= ${least}x peer`,
    pass: mine >= least * theirs,
    unit: 'req/s',
    rounds: ours,
  };
}

function requestBody(shape: readonly number[]): { readonly bytes: Buffer; readonly jsonBytes: number } {
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(0.5);
  const json = Buffer.from(
    JSON.stringify({
      parameters: { binary_data_output: true },
      inputs: [{ name: 'x', datatype: 'FP32', shape, parameters: { binary_data_size: values.byteLength } }],
    }),
  );
  return { bytes: Buffer.concat([json, Buffer.from(values.buffer)]), jsonBytes: json.length };
}
