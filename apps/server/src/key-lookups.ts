/** Who a key is, asked of the database each time: what was true a moment ago may be revoked. */
import { type AuthenticatedKey, authenticateKey, keyAsItIsNow, parseKey } from '@gantry/control';
import { systemClock } from '@gantry/kit';
import type { Store } from '@gantry/ports';

export interface KeyLookups {
  /** Undefined for a guess; a genuine key that works no more throws why. */
  readonly authenticate: (secret: string) => Promise<AuthenticatedKey | undefined>;
  /** Of one that was good: as it is now. */
  readonly keyNow: (keyId: string) => Promise<AuthenticatedKey | undefined>;
}

export const createKeyLookups = (store: Pick<Store, 'read'>): KeyLookups => ({
  authenticate: async (secret) =>
    // What has not the form of a key costs the database nothing.
    parseKey(secret) === undefined
      ? undefined
      : store.read({ platform: true }, (tx) => authenticateKey(tx, secret, systemClock.nowMs())),
  keyNow: (keyId) => store.read({ platform: true }, (tx) => keyAsItIsNow(tx, keyId, systemClock.nowMs())),
});
