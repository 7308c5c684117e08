import { randomBytes } from 'node:crypto';

/**
 * Ids unique across processes and restarts: a random part a gateway, a counter a request. Always our own:
 * the ledger drops a second record of the same id, so an id that a client could choose would be free tokens.
 */
export function createRequestIds(): () => string {
  const prefix = `req_${randomBytes(9).toString('hex')}`;
  let count = 0;
  return () => `${prefix}${(count++).toString(36)}`;
}
