/**
 * Which buffers a run of a graph takes, and from which node to which: ONNX Runtime's allocation plan
 * (`allocation_planner.cc`), which it makes once from the shapes. A value takes the buffer of what it views, or that
 * of a value of the same shape that nobody reads any more, the one that was left last first; such a buffer is kept
 * from the first to the last of its values, and between them too.
 */
import type { OnnxNode } from '@gantry/formats/onnx';

export interface ValueSize {
  /** Element width and every dimension: buffers are passed on only where all are alike. */
  readonly shape: string;
  readonly isScalar: boolean;
  readonly bytes: number;
}

export interface PlannedBuffer {
  readonly bytes: number;
}

/** In the order of `nodes`. */
export interface PlannedStep {
  readonly made: readonly PlannedBuffer[];
  readonly freed: readonly PlannedBuffer[];
}

interface Buffer extends PlannedBuffer {
  readonly size: ValueSize;
  /** Reads and makings of its values that are still to come. */
  uses: number;
  lastStep: number;
}

const views: ReadonlySet<string> = new Set(['Reshape']);
/** Kernels that may write over their first input; the elementwise ones of the released runtime do not. */
const inPlace: ReadonlySet<string> = new Set(['Softmax', 'LogSoftmax']);

/** `sizeOf` is undefined for what the graph is given; outputs lie with the caller. */
export function bufferPlan(
  nodes: readonly OnnxNode[],
  sizeOf: (value: string) => ValueSize | undefined,
  outputs: ReadonlySet<string>,
): PlannedStep[] {
  const uses = new Map<string, number>();
  for (const { inputs, outputs: results } of nodes)
    for (const name of [...inputs, ...results]) uses.set(name, (uses.get(name) ?? 0) + 1);
  const buffers = new Map<string, Buffer>();
  const left: Buffer[] = [];
  const made: Buffer[][] = [];

  const find = ({ operator, inputs }: OnnxNode, size: ValueSize, isFirst: boolean): Buffer | undefined => {
    const input = isFirst ? buffers.get(inputs[0] ?? '') : undefined;
    if (input !== undefined && views.has(operator)) return input;
    if (input?.uses === 1 && inPlace.has(operator) && input.size.shape === size.shape) return input;
    const place = size.isScalar ? -1 : left.findIndex((buffer) => buffer.size.shape === size.shape);
    return place < 0 ? undefined : left.splice(place, 1)[0];
  };

  for (const [step, node] of nodes.entries()) {
    const fresh: Buffer[] = [];
    for (const [index, name] of node.outputs.entries()) {
      const size = sizeOf(name);
      const isView = views.has(node.operator);
      // A view of what the caller holds is the caller's too.
      if (size === undefined || outputs.has(name) || (isView && !buffers.has(node.inputs[0] ?? ''))) continue;
      let buffer = find(node, size, index === 0);
      if (buffer === undefined) {
        buffer = { size, bytes: size.bytes, uses: 0, lastStep: step };
        fresh.push(buffer);
      }
      buffer.uses += uses.get(name) ?? 0;
      buffers.set(name, buffer);
    }
    for (const name of [...node.inputs, ...node.outputs]) {
      const buffer = buffers.get(name);
      if (buffer === undefined) continue;
      buffer.lastStep = step;
      buffer.uses -= 1;
      if (buffer.uses === 0) left.unshift(buffer);
    }
    made.push(fresh);
  }
  const freed = nodes.map((): Buffer[] => []);
  for (const buffer of made.flat()) freed[buffer.lastStep]?.push(buffer);
  return made.map((fresh, step) => ({ made: fresh, freed: freed[step] as Buffer[] }));
}
