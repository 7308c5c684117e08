/** What a queue inherits: its order and its pool come from the nearest queue above that names one. */
import type { Row } from '@gantry/ports';
import type { QueueSpecRecord } from '../queues/queue-record.ts';
import type { PolicySpecRecord } from './policy-record.ts';

export interface QueueChoice {
  readonly order: string;
  readonly pool?: string;
}

export function queueChoices(
  queues: readonly Row[],
  policy: PolicySpecRecord,
): ReadonlyMap<string, QueueChoice> {
  const rows = new Map(queues.map((row) => [row.id, row]));
  const nearest = <Key extends 'policy' | 'pool'>(row: Row, key: Key): string | undefined => {
    const seen = new Set<string>();
    for (
      let at: Row | undefined = row;
      at !== undefined && !seen.has(at.id);
      at = rows.get(at.parentId ?? '')
    ) {
      const value = (at.spec as QueueSpecRecord)[key];
      if (value !== undefined) return value;
      seen.add(at.id);
    }
    return undefined;
  };
  return new Map(
    queues.map((row) => {
      const pool = nearest(row, 'pool');
      const poolOrder = pool === undefined ? undefined : policy.pools?.[pool]?.order;
      const order = nearest(row, 'policy') ?? poolOrder ?? policy.order ?? 'default';
      return [row.id, { order, ...(pool === undefined ? {} : { pool }) }];
    }),
  );
}

/** Labels of the nodes that work of a pool may use; a pool that is no more has none. */
export function poolLabels(
  policy: PolicySpecRecord,
  pool: string | undefined,
): Readonly<Record<string, string>> | undefined {
  if (pool === undefined) return undefined;
  return policy.pools?.[pool]?.nodes ?? { [`pool/${pool}`]: 'gone' };
}
