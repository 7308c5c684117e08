/** One at a time per key, in the order of asking. */
export interface KeyedMutex {
  run<T>(key: string, action: () => Promise<T>): Promise<T>;
  idle(): Promise<void>;
}

export function createKeyedMutex(): KeyedMutex {
  const tails = new Map<string, Promise<unknown>>();
  return {
    run: (key, action) => {
      const before = tails.get(key) ?? Promise.resolve();
      const mine = before.then(action, action);
      const tail = mine.then(
        () => undefined,
        () => undefined,
      );
      tails.set(key, tail);
      void tail.then(() => {
        if (tails.get(key) === tail) tails.delete(key);
      });
      return mine;
    },
    idle: async () => {
      while (tails.size > 0) await Promise.all(tails.values());
    },
  };
}
