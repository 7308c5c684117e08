/** What a change of a queue may not do: move it in the tree, or promise less than it holds at this moment. */
import { GantryError, type Queue } from '@gantry/contract';
import type { QueueSpecRecord } from '@gantry/control';
import { fromShare } from './queue-view.ts';

export function checkQueueChange(
  before: Queue,
  change: { readonly parent?: string | undefined; readonly limit: QueueSpecRecord['limit'] },
): void {
  if (change.parent !== undefined && change.parent !== before.parent)
    throw new GantryError('validation_failed', `queue "${before.name}" stays where it was made`, {
      problems: [
        { path: 'parent', message: `is "${before.parent ?? 'none'}" and cannot become "${change.parent}"` },
      ],
      hint: `make another one: gantry queue create NAME --parent ${change.parent}`,
    });
  const problems = Object.entries(fromShare(change.limit)).flatMap(([resource, most]) => {
    const held = before.used[resource] ?? 0;
    return held <= most
      ? []
      : [{ path: `limit.${resource}`, message: `is ${most}, but ${held} are held at this moment` }];
  });
  const [first] = problems;
  if (first === undefined) return;
  throw new GantryError('in_use', `queue "${before.name}": ${first.path} ${first.message}`, {
    problems,
    hint: 'suspend or cancel some of its work first: gantry job list --state running',
  });
}
