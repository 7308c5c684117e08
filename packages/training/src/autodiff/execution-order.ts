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
 * ONNX Runtime runs what the last node that nobody reads needs first. Those are the gradients of
 * weights, made from the last layer to the first: turned round, each runs as soon as the backward pass has come to
 * it, and what it reads is free after it.
 */
export function leavesReversed(nodes: readonly OnnxNode[]): OnnxNode[] {
  const read = new Set(nodes.flatMap(({ inputs }) => inputs));
  const isLeaf = ({ outputs }: OnnxNode): boolean => !outputs.some((name) => read.has(name));
  return [...nodes.filter((node) => !isLeaf(node)), ...nodes.filter(isLeaf).reverse()];
}
