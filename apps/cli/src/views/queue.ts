/** A queue in words: what it holds of each resource, deserves and may have at most. */
import type { Queue } from '@gantry/contract';
import { formatBytes } from '@gantry/kit';
import { table } from '../output.ts';

const resources = ['devices', 'cpu', 'memory', 'storage'] as const;

export function describeQueue(queue: Queue): string {
  const shares = table(
    ['resource', 'used', 'deserved', 'limit'],
    resources.map((resource) => [
      resource,
      amount(resource, queue.used[resource] ?? 0),
      amount(resource, queue.deserved[resource]),
      amount(resource, queue.limit[resource]),
    ]),
  );
  return [
    `  ${queue.name}   ${queue.parent === undefined ? 'at the top' : `under ${queue.parent}`} · weight ${queue.weight} · ${queue.running} running · ${queue.waiting} waiting`,
    '',
    shares,
  ].join('\n');
}

function amount(resource: (typeof resources)[number], value: number | undefined): string {
  if (value === undefined) return '–';
  return resource === 'memory' || resource === 'storage' ? formatBytes(value) : String(value);
}
