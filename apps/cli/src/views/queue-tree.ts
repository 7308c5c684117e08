/** Queues with parents before children and a label that draws the tree. */
import type { Queue } from '@gantry/contract';

export interface TreeRow {
  readonly label: string;
  readonly queue: Queue;
}

export function inTreeOrder(queues: readonly Queue[]): readonly TreeRow[] {
  const known = new Set(queues.map(({ name }) => name));
  const rows: TreeRow[] = [];
  const add = (queue: Queue, depth: number): void => {
    if (rows.some((row) => row.queue === queue)) return;
    rows.push({ label: `${depth === 0 ? '' : `${'  '.repeat(depth - 1)}├ `}${queue.name}`, queue });
    for (const child of queues) if (child.parent === queue.name) add(child, depth + 1);
  };
  for (const queue of queues) if (queue.parent === undefined || !known.has(queue.parent)) add(queue, 0);
  // A ring of parents has no top; nothing may be left out of a list because of it.
  for (const queue of queues) add(queue, 0);
  return rows;
}
