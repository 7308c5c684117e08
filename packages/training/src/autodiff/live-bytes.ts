/** How much memory a graph takes on its way: in which order its nodes run, and what is alive between them. */
import type { OnnxNode } from '@gantry/formats/onnx';

/**
 * ONNX Runtime's order (`GraphViewer`, its default): depth first from the nodes that nobody reads, the last of them
 * first, inputs before the node, the input that was made last first.
 */
export function executionOrder(nodes: readonly OnnxNode[]): OnnxNode[] {
  const makers = new Map(
    nodes.flatMap(({ outputs }, place) => outputs.map((name) => [name, place] as const)),
  );
  const read = new Set(nodes.flatMap(({ inputs }) => inputs));
  const stack = nodes.flatMap(({ outputs }, place) =>
    outputs.some((name) => read.has(name)) ? [] : [{ place, isReady: false }],
  );
  const seen = new Set<number>();
  const order: OnnxNode[] = [];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { place, isReady } = top;
    const node = nodes[place] as OnnxNode;
    if (isReady) order.push(node);
    if (isReady || seen.has(place)) continue;
    seen.add(place);
    stack.push({ place, isReady: true });
    const before = new Set(node.inputs.flatMap((name) => makers.get(name) ?? []));
    for (const maker of [...before].sort((one, other) => one - other))
      if (!seen.has(maker)) stack.push({ place: maker, isReady: false });
  }
  return order;
}

/**
 * The most bytes at once when nodes run in this order and a value is free after the last node that reads it. A view
 * takes none of its own; an output lies in the caller's buffer, as what `bytesOf` calls 0 does.
 */
export function peakLiveBytes(
  nodes: readonly OnnxNode[],
  bytesOf: (value: string) => number,
  outputs: ReadonlySet<string>,
): number {
  const viewed = new Map<string, string>();
  const bufferOf = (value: string): string => viewed.get(value) ?? value;
  const lastUse = new Map<string, number>();
  for (const [place, { operator, inputs, outputs: made }] of nodes.entries()) {
    if (operator === 'Reshape') viewed.set(made[0] as string, bufferOf(inputs[0] as string));
    for (const value of [...inputs, ...made]) lastUse.set(bufferOf(value), place);
  }
  let live = 0;
  let peak = 0;
  const alive = new Set<string>();
  for (const [place, { inputs, outputs: made }] of nodes.entries()) {
    for (const value of made) {
      if (viewed.has(value) || outputs.has(value)) continue;
      live += bytesOf(value);
      alive.add(value);
    }
    peak = Math.max(peak, live);
    for (const value of [...inputs, ...made].map(bufferOf))
      if (lastUse.get(value) === place && alive.delete(value)) live -= bytesOf(value);
  }
  return peak;
}
