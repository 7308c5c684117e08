/**
 * One effect per idempotency key. The key is taken by the transaction that makes the first row, so that both
 * commit or neither; the answer is added after. Two requests at once under one key: the second waits for the
 * first and gets its answer.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { GantryError } from '@gantry/contract';
import type { IdempotentRequest, Store } from '@gantry/ports';
import type { SqlTx } from './sql-tx.ts';

type Run = <T>(tenantId: string, fn: (tx: SqlTx) => Promise<T>) => Promise<T>;

interface Claim {
  readonly request: IdempotentRequest;
  isTaken: boolean;
}

export interface Idempotency {
  readonly answer: Store['idempotent'];
  /** Called at the end of every transaction. */
  beforeCommit(tx: SqlTx): Promise<void>;
}

export function createIdempotency(run: Run): Idempotency {
  const claims = new AsyncLocalStorage<Claim>();
  const answering = new Map<string, Promise<unknown>>();

  const once: Idempotency['answer'] = async (request, act, recover) => {
    const { tenantId, key } = request;
    const before = await run(tenantId, (tx) => tx.idempotentAnswer(tenantId, key));
    if (before === undefined) {
      const claim: Claim = { request, isTaken: false };
      let response: Awaited<ReturnType<typeof act>>;
      try {
        response = await claims.run(claim, act);
      } finally {
        // What was set going by it and lives on takes no key any more.
        claim.isTaken = true;
      }
      await run(tenantId, (tx) => tx.keepAnswer(request, response));
      return response;
    }
    if (before.route !== request.route || before.requestHash !== request.requestHash)
      throw new GantryError(
        'idempotency_mismatch',
        `the idempotency key "${key}" was used for another request`,
        { hint: 'use a new key for a new request' },
      );
    if (before.response !== undefined || before.resourceId === undefined) return before.response as never;
    return recover(before.resourceId);
  };

  return {
    beforeCommit: async (tx) => {
      const claim = claims.getStore();
      if (claim === undefined || claim.isTaken || tx.firstInsertedId === undefined) return;
      claim.isTaken = true;
      await tx.takeKey(claim.request, tx.firstInsertedId);
    },
    answer: async <T>(
      request: IdempotentRequest,
      act: () => Promise<T>,
      recover: (resourceId: string) => Promise<T>,
    ): Promise<T> => {
      const slot = `${request.tenantId} ${request.key}`;
      const answer = (): Promise<T> => once(request, act, recover);
      const mine = (answering.get(slot) ?? Promise.resolve()).then(answer, answer);
      answering.set(slot, mine);
      try {
        return await mine;
      } finally {
        if (answering.get(slot) === mine) answering.delete(slot);
      }
    },
  };
}
