/** Machines without an accelerator are counted in cores, as their users do. */
import type { LiveWorld } from '@gantry/scheduling/simulate';

type Node = LiveWorld['nodes'][number];

export const isAccelerated = ({ nodes }: Pick<LiveWorld, 'nodes'>): boolean =>
  nodes.some(({ devices }) => devices.length > 0);

export function unitsOf(world: Pick<LiveWorld, 'nodes'>): number {
  const sizeOf = isAccelerated(world)
    ? ({ devices }: Node) => devices.length
    : ({ capacity }: Node) => capacity.cpuMilli / 1000;
  return world.nodes.reduce((sum, node) => sum + sizeOf(node), 0);
}
