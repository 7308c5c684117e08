/**
 * On which device model the waiting work of `throughput-aware` queues should start: prices over what is
 * free now (assign-models.ts). A wish only: where it cannot be had, any model that is accepted will do.
 */
import type { Planning } from '../planning.ts';
import { policyOf } from '../policies.ts';
import type { Workload } from '../snapshot.ts';
import { assignModels } from './assign-models.ts';
import { speedOn } from './speed-curve.ts';

/** So many from the front of the queues are looked at; more do not start in one cycle anyway. */
const MOST = 512;

export class ModelWishes {
  readonly #state: Planning['state'];
  readonly #modelOf: ReadonlyMap<Workload, string>;
  readonly #aside = new Map<string, Uint8Array>();

  constructor({ lanes, nowMs, state, tree }: Planning) {
    this.#state = state;
    const order = lanes
      .inOrder(tree, nowMs)
      .filter(({ queue }) => policyOf(tree.queues[queue]!.policy).choosesModels === true)
      .flatMap(({ entries }) => entries)
      .filter(({ workload }) => hasChoice(workload))
      .slice(0, MOST);
    const chosen = assignModels(order, order.length === 0 ? new Map() : freeByModel(state), {
      devices: ({ shape }) => shape.amounts[0]!,
      speedOn: ({ workload }, model) => speedOn(workload.speed!, model),
    });
    this.#modelOf = new Map([...chosen].map(([{ workload }, model]) => [workload, model]));
  }

  /** Nodes to be left alone at a first try: those of other models. null = no wish. */
  asideFor(workload: Workload): Uint8Array | null {
    const model = this.#modelOf.get(workload);
    if (model === undefined) return null;
    let aside = this.#aside.get(model);
    if (aside === undefined) {
      aside = Uint8Array.from(this.#state.nodes, ({ devices }) => (devices[0]?.model === model ? 0 : 1));
      this.#aside.set(model, aside);
    }
    return aside;
  }
}

/** It was measured on more than one model, and asks for none. */
export function hasChoice({ speed, taskGroups }: Workload): boolean {
  return (
    speed !== undefined &&
    new Set(speed.runs.map(({ model }) => model)).size > 1 &&
    taskGroups.every(({ request }) => request.deviceModel === undefined)
  );
}

function freeByModel({ nodes, schedulable, wholeFree }: Planning['state']): Map<string, number> {
  const free = new Map<string, number>();
  for (const [index, { devices }] of nodes.entries()) {
    const model = devices[0]?.model;
    if (model === undefined || schedulable[index] === 0) continue;
    free.set(model, (free.get(model) ?? 0) + wholeFree[index]!);
  }
  return free;
}
