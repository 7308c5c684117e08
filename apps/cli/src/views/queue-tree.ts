/** Queues with parents before children and a label that draws the tree. */
import type { Queue } from '@gantry/contract';

export interface TreeRow {
  readonly label: string;
  readonly queue: Queue;
}

export function inTreeOrder(queues: readonly Queue[]): readonly TreeRow[] {
  const known = new Set(queues.map(({ name }) => name));
  const rows: TreeRow[] = [];
  const add = (queue: Queue, own: string, below: string): void => {
    if (rows.some((row) => row.queue === queue)) return;
    rows.push({ label: `${own}${queue.name}`, queue });
    const children = queues.filter((child) => child.parent === queue.name);
    for (const child of children)
      if (child === children.at(-1)) add(child, `${below}└ `, `${below}  `);
      else add(child, `${below}├ `, `${below}│ `);
  };
  for (const queue of queues) if (queue.parent === undefined || !known.has(queue.parent)) add(queue, '', '');
  // A ring of parents has no top; nothing may be left out of a list because of it.
  for (const queue of queues) add(queue, '', '');
  return rows;
}
