/** Facts of nodes and queues that change from cycle to cycle, put into the plain data they travel in. */
import type { ClusterShape } from './can-ever-run.ts';
import type { ExpectedPeak, NodeLive } from './snapshot.ts';

export function withLive(shape: ClusterShape, live: ReadonlyMap<string, NodeLive>): ClusterShape {
  const nodes = shape.nodes.map(({ live: _before, ...node }) => {
    const told = live.get(node.id);
    return told === undefined ? node : { ...node, live: told };
  });
  return { ...shape, nodes };
}

export function withRecentUse(shape: ClusterShape, parts: ReadonlyMap<string, number>): ClusterShape {
  const queues = shape.queues.map(({ recentUse: _before, ...queue }) => {
    const recentUse = parts.get(queue.id);
    return recentUse === undefined ? queue : { ...queue, recentUse };
  });
  return { ...shape, queues };
}

export function withExpected(
  shape: ClusterShape,
  peaks: ReadonlyMap<string, readonly ExpectedPeak[]>,
): ClusterShape {
  const queues = shape.queues.map(({ expected: _before, ...queue }) => {
    const expected = peaks.get(queue.id);
    return expected === undefined ? queue : { ...queue, expected };
  });
  return { ...shape, queues };
}
