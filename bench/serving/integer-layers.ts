/** The tensor engine's time to compute dense layers of 8-bit integers beside the floats that they were made from. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quantiseOnnx } from '@gantry/conversion';
import { perceptron } from '@gantry/engines/testing/tensor-models';
import type { BenchLine } from '../bench-line.ts';
import { startNode, type ChildNode } from './child-node.ts';
import { median } from './gateway-cost.ts';

/** The wider layers' floats fill no cache; beside the narrow ones' arithmetic a call's own cost shows. */
const widths = [1_024, 2_048] as const;
const bars = [
  { rows: 1, least: 2.3 },
  { rows: 32, least: 3 },
] as const;

export async function integerLayers(): Promise<BenchLine[]> {
  const lines: BenchLine[] = [];
  for (const width of widths) lines.push(...(await layersOf(width)));
  return lines;
}

async function layersOf(width: number): Promise<BenchLine[]> {
  const folder = mkdtempSync(join(tmpdir(), 'gint-'));
  try {
    const floats = perceptron([width, width, width, width]);
    const { file: integers } = quantiseOnnx(floats);
    const [plain, small] = [join(folder, 'plain.onnx'), join(folder, 'small.onnx')];
    writeFileSync(plain, floats);
    writeFileSync(small, integers);
    const lines: BenchLine[] = [];
    for (const { rows, least } of bars) {
      const ours: number[] = [];
      const peer: number[] = [];
      // Each round on fresh processes: the engine's quantiles are of all that it computed.
      for (let round = 0; round < 3; round++) {
        ours.push(await computeMs(small, width, rows));
        peer.push(await computeMs(plain, width, rows));
      }
      const [mine, theirs] = [median(ours), median(peer)];
      lines.push({
        bench: 'serving',
        case: `int8 layers, 3 x ${width} x ${width}, ${rows} rows`,
        ours: mine,
        peer: theirs,
        peerName: 'float32',
        better: 'less',
        bar: `${least}x faster`,
        pass: theirs >= least * mine,
        unit: 'ms',
        rounds: ours,
      });
    }
    return lines;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function computeMs(modelPath: string, width: number, rows: number): Promise<number> {
  await using child = await startNode([join(import.meta.dirname, 'tensor-process.ts'), modelPath, '32']);
  for (let index = 0; index < 200; index++) await infer(child, width, rows);
  const stats = (await (await fetch(`${originOf(child)}/stats`)).json()) as { computeMs: { p50: number } };
  return stats.computeMs.p50;
}

const originOf = (child: ChildNode): string => `http://127.0.0.1:${Number(child.hello['port'])}`;

async function infer(child: ChildNode, width: number, rows: number): Promise<void> {
  const values = Float32Array.from({ length: rows * width }, (_, at) => Math.sin(at));
  const json = Buffer.from(
    JSON.stringify({
      parameters: { binary_data_output: true },
      inputs: [
        {
          name: 'x',
          datatype: 'FP32',
          shape: [rows, width],
          parameters: { binary_data_size: values.byteLength },
        },
      ],
    }),
  );
  const response = await fetch(`${originOf(child)}/v2/models/model/infer`, {
    method: 'POST',
    headers: { 'inference-header-content-length': String(json.length) },
    body: Buffer.concat([json, Buffer.from(values.buffer)]),
  });
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`the engine answered ${response.status}`);
}
