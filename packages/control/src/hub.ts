/**
 * Who wants to know when a resource changed inside this process: watchers of a job, the scheduler, the
 * endpoint reconciler. Carries no data: a listener looks at the store, so a missed or doubled call is harmless.
 * Topics: `scheduler`; and of every event `job:<id>` (its resource), `job@<tenant id>` and `kind:job`.
 */
export interface Hub {
  changed(topic: string): void;
  on(topic: string, listener: () => void): Disposable;
  /** Resolves at the next change of the topic, or when the signal aborts. */
  next(topic: string, signal: AbortSignal): Promise<void>;
}

export function createHub(): Hub {
  const listeners = new Map<string, Set<() => void>>();
  const on = (topic: string, listener: () => void): Disposable => {
    const set = listeners.get(topic) ?? new Set();
    listeners.set(topic, set.add(listener));
    return {
      [Symbol.dispose]: () => {
        set.delete(listener);
        if (set.size === 0) listeners.delete(topic);
      },
    };
  };
  return {
    changed: (topic) => {
      for (const listener of listeners.get(topic) ?? []) listener();
    },
    on,
    next: async (topic, signal) => {
      if (signal.aborted) return;
      await new Promise<void>((resolve) => {
        const finish = (): void => {
          subscription[Symbol.dispose]();
          signal.removeEventListener('abort', finish);
          resolve();
        };
        const subscription = on(topic, finish);
        signal.addEventListener('abort', finish, { once: true });
      });
    },
  };
}
