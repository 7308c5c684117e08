/** What a session takes beside what it is given: its nodes, and the memory of the values between them. */
import type { OnnxNode } from '@gantry/formats/onnx';
import { bufferPlan, type ValueSize } from './buffer-plan.ts';
import { ChunkArena } from './chunk-arena.ts';
import { executionOrder } from './execution-order.ts';

export interface Workspace {
  readonly nodes: number;
  /** Of the arena, resident once the graph has run a few times. */
  readonly arenaBytes: number;
  /** What nodes write that are no products: each such byte is a pass over memory. */
  readonly passBytes: number;
}

/** Views write nothing; products are counted by their FLOP. */
const noPass: ReadonlySet<string> = new Set(['Reshape', 'Conv', 'FusedMatMul']);

/** The second run begins in an arena as the first has left it; later ones find what they need. */
const runs = 2;

export function workspaceOf(
  nodes: readonly OnnxNode[],
  sizeOf: (value: string) => ValueSize | undefined,
  outputs: ReadonlySet<string>,
): Workspace {
  const steps = bufferPlan(executionOrder(nodes), sizeOf, outputs);
  const arena = new ChunkArena();
  for (let run = 0; run < runs; run += 1)
    for (const { made, freed } of steps) {
      for (const buffer of made) arena.take(buffer, buffer.bytes);
      for (const buffer of freed) arena.giveBack(buffer);
    }
  const passBytes = nodes
    .filter(({ operator }) => !noPass.has(operator))
    .flatMap((node) => node.outputs)
    .reduce((sum, name) => sum + (sizeOf(name)?.bytes ?? 0), 0);
  return { nodes: nodes.length, arenaBytes: arena.touchedBytes, passBytes };
}
