/** How to plan, as plain data: kept beside a snapshot, it gives the same plan again. */
import type { ClusterState } from './cluster-state.ts';
import { createFgd, type TypicalTask } from './fragmentation.ts';
import type { PlanOptions } from './plan-cycle.ts';
import { fullestDevice, PLACEMENTS, type Scorer } from './scorers.ts';
import { SnapshotError } from './snapshot.ts';
import { typicalTasks } from './typical-tasks.ts';

export const PLACEMENT_NAMES: readonly string[] = [...Object.keys(PLACEMENTS), 'fgd'];

export interface PlanSettings {
  placement?: string;
  preemption?: boolean;
  reservation?: boolean;
  /** How many running workloads may be moved in this cycle. */
  moves?: number;
  /** The mix of requests, for `fgd`. */
  typical?: readonly TypicalTask[];
  /** Nodes with these labels are placed on in another way. */
  pools?: readonly { nodes: Readonly<Record<string, string>>; placement?: string }[];
}

export function toPlanOptions({
  placement,
  preemption,
  reservation,
  moves,
  typical,
  pools,
}: PlanSettings): PlanOptions {
  const special = (pools ?? []).flatMap((pool) =>
    pool.placement === undefined ? [] : [{ nodes: pool.nodes, scorer: placementOf(pool.placement, typical) }],
  );
  const scorer = placementOf(placement ?? 'shadow-price', typical);
  return {
    scorer: special.length === 0 ? scorer : byPool(scorer, special),
    ...(preemption === undefined ? {} : { preemption }),
    ...(reservation === undefined ? {} : { reservation }),
    ...(moves === undefined ? {} : { moves }),
  };
}

function placementOf(name: string, typical: readonly TypicalTask[] = typicalTasks([])): Scorer {
  if (name === 'fgd') return createFgd(typical);
  const scorer = Object.hasOwn(PLACEMENTS, name) ? PLACEMENTS[name] : undefined;
  if (scorer !== undefined) return scorer;
  throw new SnapshotError(
    'placement_unknown',
    `There is no placement "${name}".`,
    `Use one of: ${PLACEMENT_NAMES.join(', ')}.`,
  );
}

/** Scores of different pools are compared as they are: work rarely has the choice between pools. */
function byPool(
  standard: Scorer,
  pools: readonly { nodes: Readonly<Record<string, string>>; scorer: Scorer }[],
): Scorer {
  const known = new WeakMap<object, Scorer>();
  const of = (state: ClusterState, index: number): Scorer => {
    const node = state.nodes[index]!;
    let scorer = known.get(node);
    if (scorer === undefined) {
      const isIn = ({ nodes }: (typeof pools)[number]): boolean =>
        Object.entries(nodes).every(([label, value]) => node.labels[label] === value);
      scorer = pools.find(isIn)?.scorer ?? standard;
      known.set(node, scorer);
    }
    return scorer;
  };
  return {
    name: 'by-pool',
    score: (state, requestClass, node) => of(state, node).score(state, requestClass, node),
    shareDevice: (state, requestClass, node) =>
      (of(state, node).shareDevice ?? fullestDevice)(state, requestClass, node),
  };
}
