/**
 * What a key keeps open ends with it: a stream that began before its key was revoked, expired or lost its holder does
 * not outlive it. Looked at when somebody says that keys changed, and now and then, since keys also end by themselves.
 */

/** Something open that was asked for with a key. */
export interface HeldByKey<Key> {
  /** Absent: no key that could end. */
  readonly keyId: string | undefined;
  /** Ends what the key, as it is now, may keep open no longer. Undefined: there is no such key any more. */
  recheck(key: Key | undefined): void;
}

export interface KeyWatchOptions<Key> {
  /** All that is open now. */
  readonly held: () => Iterable<HeldByKey<Key>>;
  /** A rejection says nothing about the key: what it holds stays until somebody knows. */
  readonly keyNow: (keyId: string) => Promise<Key | undefined>;
  /** Between two looks of its own. */
  readonly everyMs?: number;
}

export class KeyWatch<Key> implements Disposable {
  readonly #options: KeyWatchOptions<Key>;
  readonly #timer: NodeJS.Timeout;

  constructor(options: KeyWatchOptions<Key>) {
    this.#options = options;
    this.#timer = setInterval(() => this.look(), options.everyMs ?? 30_000).unref();
  }

  /** Asks once for each key; what is opened meanwhile was let in by the newest word. */
  look(): void {
    const byKey = Map.groupBy(this.#options.held(), ({ keyId }) => keyId);
    for (const [keyId, held] of byKey) {
      if (keyId === undefined) continue;
      this.#options.keyNow(keyId).then(
        (key) => {
          for (const each of held) each.recheck(key);
        },
        () => undefined,
      );
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
