import { GantryError } from '@gantry/contract';
import { expect, test } from 'vitest';
import { createFeed } from './feed.ts';
import type { SqlTx } from './sql-tx.ts';

test('an event is read although the connection broke while it was, and nothing else happens afterwards', async () => {
  const event = { seq: 1, kind: 'job', resourceId: 'job_1', type: 'job.queued' };
  const tx = { newestSeq: async () => 0, eventsAfter: async (seq: number) => (seq === 0 ? [event] : []) };
  let isBroken = true;
  const feed = createFeed(async (fn) => {
    if (isBroken) {
      isBroken = false;
      throw new GantryError('store_unavailable', 'the connection broke');
    }
    return fn(tx as unknown as SqlTx);
  });
  const stop = new AbortController();
  for await (const seen of feed.read(stop.signal, { sinceSeq: 0 })) {
    expect(seen).toBe(event);
    break;
  }
  stop.abort();
});
