/**
 * How sought after a device model is: what tasks that name it ask for, over what there is. A task
 * that takes any model should leave the sought ones to those that cannot.
 */
import type { TypicalTask } from './fragmentation.ts';
import type { NodeState } from './snapshot.ts';

/** 0 = nobody names the model; 1 = those who name it could use all of it. */
export function modelScarcity(
  tasks: readonly Pick<TypicalTask, 'devices' | 'milli' | 'model' | 'part'>[],
  nodes: readonly Pick<NodeState, 'devices'>[],
): Map<string, number> {
  const supply = new Map<string, number>();
  let total = 0;
  for (const device of nodes.flatMap((node) => node.devices)) {
    supply.set(device.model, (supply.get(device.model) ?? 0) + device.milliCapacity);
    total += device.milliCapacity;
  }
  const asked = tasks.reduce((sum, task) => sum + task.part * task.devices * task.milli, 0);
  const scarcity = new Map<string, number>();
  for (const task of tasks) {
    if (task.model === null || asked === 0) continue;
    const models = task.model.split('|').filter((model) => supply.has(model));
    const available = models.reduce((sum, model) => sum + supply.get(model)!, 0);
    // As if the cluster were exactly full of such tasks, spread over the models they accept.
    const demand = (task.part * task.devices * task.milli * total) / asked;
    for (const model of models) scarcity.set(model, (scarcity.get(model) ?? 0) + demand / available);
  }
  return scarcity;
}
