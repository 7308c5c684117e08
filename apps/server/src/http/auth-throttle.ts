import { GantryError } from '@gantry/contract';

export interface AuthThrottle {
  /** Throws `limit_exceeded` for an address that guessed too often. */
  check(address: string): void;
  failed(address: string): void;
}

const freeFailures = 20;

/** Guessing secrets costs time: after twenty an address waits, longer each time, up to a minute. Bounded in memory. */
export function createAuthThrottle(
  what: 'keys' | 'tokens',
  now: () => number = () => performance.now(),
): AuthThrottle {
  const failures = new Map<string, { count: number; atMs: number }>();
  return {
    check: (address) => {
      const entry = failures.get(address);
      if (entry === undefined || entry.count < freeFailures) return;
      const waitMs = Math.min(60_000, 500 * 2 ** Math.min(entry.count - freeFailures, 7));
      if (now() - entry.atMs >= waitMs) return;
      throw new GantryError('limit_exceeded', `too many unknown ${what} from this address`, {
        hint: 'wait a minute',
      });
    },
    failed: (address) => {
      const entry = failures.get(address);
      const isOld = entry === undefined || now() - entry.atMs > 120_000;
      failures.delete(address);
      failures.set(address, { count: isOld ? 1 : entry.count + 1, atMs: now() });
      const oldest = failures.keys().next();
      if (failures.size > 10_000 && oldest.done !== true) failures.delete(oldest.value);
    },
  };
}
