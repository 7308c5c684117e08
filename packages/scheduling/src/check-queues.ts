/** What is wrong with a queue tree before anything is planned with it: doubles, unknown parents, circles, bad amounts. */
import { countOf } from '@gantry/kit';
import { type QueueNode, SnapshotError } from './snapshot.ts';

const FIELDS = ['deserved', 'limit', 'weight', 'borrowing', 'lending'] as const;

export function indexQueues(queues: readonly QueueNode[]): Map<string, number> {
  const indexOf = new Map<string, number>();
  for (const [index, queue] of queues.entries()) {
    if (indexOf.has(queue.id))
      throw new SnapshotError(
        'queue_duplicate',
        `Queue ${queue.id} appears twice.`,
        'Give every queue its own id.',
      );
    indexOf.set(queue.id, index);
  }
  return indexOf;
}

export function pathOf(
  queues: readonly QueueNode[],
  indexOf: ReadonlyMap<string, number>,
  start: number,
): number[] {
  const path = [start];
  for (let parentId = queues[start]!.parentId; parentId !== null;) {
    const parent = indexOf.get(parentId);
    if (parent === undefined) {
      throw new SnapshotError(
        'queue_parent_unknown',
        `Queue ${queues[path.at(-1)!]!.id} names the parent ${parentId}, which does not exist.`,
        'Create the parent first, or move the queue.',
      );
    }
    if (path.includes(parent)) {
      throw new SnapshotError(
        'queue_cycle',
        `Queue ${queues[start]!.id} is its own ancestor.`,
        'Move one of the queues of the circle to the root.',
      );
    }
    path.push(parent);
    parentId = queues[parent]!.parentId;
  }
  return path;
}

/** Every amount is a number that is zero or more. */
export function checkAmounts(queue: QueueNode): void {
  for (const field of FIELDS) checkField(queue, field);
  const { shape } = queue;
  if (shape !== undefined && !(shape.nodes >= 1 && shape.devices >= 1))
    throw new SnapshotError(
      'queue_shape_invalid',
      `Queue ${queue.id} is promised ${countOf(shape.nodes, 'node')} with ${countOf(shape.devices, 'device')} each.`,
      'Promise one node or more, with one device or more each.',
    );
}

function checkField(queue: QueueNode, field: (typeof FIELDS)[number]): void {
  for (const [resource, value] of Object.entries(queue[field] ?? {})) {
    if (!(value >= 0)) {
      throw new SnapshotError(
        'queue_amount_invalid',
        `Queue ${queue.id} has ${field}.${resource} = ${value}.`,
        'Use a number that is zero or more.',
      );
    }
  }
}
