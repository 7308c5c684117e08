/** The port's transaction over SQL. Every value is a parameter; row-level security decides what exists. */
import type { Tx } from '@gantry/ports';
import type { Queryable } from './database.ts';
import { type EventQueries, eventQueries } from './sql/event-queries.ts';
import { type IdempotencyQueries, idempotencyQueries } from './sql/idempotency-queries.ts';
import { keyQueries } from './sql/key-queries.ts';
import { ledgerQueries } from './sql/ledger-queries.ts';
import { resourceQueries } from './sql/resource-queries.ts';

export interface SqlTx extends Tx, EventQueries, IdempotencyQueries {
  /** The first row this transaction made. */
  readonly firstInsertedId: string | undefined;
}

export function createSqlTx(connection: Queryable): SqlTx {
  const resources = resourceQueries(connection);
  let firstInsertedId: string | undefined;
  return {
    ...resources,
    ...eventQueries(connection),
    ...ledgerQueries(connection),
    ...keyQueries(connection),
    ...idempotencyQueries(connection),
    insert: (row) => {
      firstInsertedId ??= row.id;
      return resources.insert(row);
    },
    get firstInsertedId() {
      return firstInsertedId;
    },
  };
}
