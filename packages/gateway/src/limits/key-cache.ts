/**
 * Who a bearer is, remembered by digest so that no key stays in memory and the comparison is of digests:
 * how long it takes tells nothing about how near a guess was. Misses of the cache share one call.
 */
import { hash } from 'node:crypto';
import type { Principal } from '../routes/route.ts';

export type Authenticate = (bearer: string) => Promise<Principal | undefined>;

interface Entry {
  readonly principal: Principal | undefined;
  readonly expiresAtMs: number;
}

export interface KeyCacheOptions {
  readonly authenticate: Authenticate;
  readonly now: () => number;
  /** How long a revoked key may go on working when nobody calls `forget`. */
  readonly ttlMs?: number;
  readonly maxEntries?: number;
}

const mostGuesses = 10_000;

export class KeyCache {
  readonly #entries = new Map<string, Entry>();
  readonly #guesses = new Map<string, Entry>();
  readonly #asking = new Map<string, Promise<Principal | undefined>>();
  readonly #authenticate: Authenticate;
  readonly #now: () => number;
  readonly #ttlMs: number;
  readonly #maxEntries: number;
  #generation = 0;

  constructor(options: KeyCacheOptions) {
    this.#authenticate = options.authenticate;
    this.#now = options.now;
    this.#ttlMs = options.ttlMs ?? 30_000;
    this.#maxEntries = options.maxEntries ?? 100_000;
  }

  /** Answers at once when it knows; the hot path then needs no promise. */
  lookup(bearer: string): Principal | undefined | Promise<Principal | undefined> {
    const digest = hash('sha256', bearer, 'base64');
    const entry = this.#entries.get(digest) ?? this.#guesses.get(digest);
    if (entry !== undefined && entry.expiresAtMs > this.#now()) return entry.principal;
    const asked = this.#asking.get(digest);
    if (asked !== undefined) return asked;
    const asking = this.#ask(digest, bearer);
    this.#asking.set(digest, asking);
    return asking;
  }

  /** Drops everything known: the next request of each key asks again. Call it when a key or role changes. */
  forget(): void {
    this.#generation++;
    this.#entries.clear();
    this.#guesses.clear();
    this.#asking.clear();
  }

  async #ask(digest: string, bearer: string): Promise<Principal | undefined> {
    const generation = this.#generation;
    try {
      const principal = await this.#authenticate(bearer);
      // An answer asked for before `forget` may be the one that `forget` was about.
      if (generation === this.#generation) this.#keep(digest, principal);
      return principal;
    } finally {
      if (generation === this.#generation) this.#asking.delete(digest);
    }
  }

  #keep(digest: string, principal: Principal | undefined): void {
    this.#entries.delete(digest);
    this.#guesses.delete(digest);
    // Apart, so that who guesses pushes out other guesses and nobody's key.
    const entries = principal === undefined ? this.#guesses : this.#entries;
    if (entries.size >= (principal === undefined ? mostGuesses : this.#maxEntries)) {
      const oldest = entries.keys().next();
      if (!oldest.done) entries.delete(oldest.value);
    }
    // A wrong key is remembered briefly: it spares the store a guesser, and a key made a second ago soon works.
    const ttlMs = principal === undefined ? Math.min(1_000, this.#ttlMs) : this.#ttlMs;
    entries.set(digest, { principal, expiresAtMs: this.#now() + ttlMs });
  }
}
