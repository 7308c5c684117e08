/**
 * A store that says which rows its transactions changed, once they have ended: whoever keeps
 * rows in memory reads just these again. Changes made by other processes come through the feed.
 */
import type { Store, Tx } from '@gantry/ports';

export type WriteListener = (kind: string, id: string) => void;

export interface WatchedStore extends Store {
  onWrite(listener: WriteListener): Disposable;
}

export function watchWrites(store: Store): WatchedStore {
  const listeners = new Set<WriteListener>();
  const watched: Pick<WatchedStore, 'tx' | 'onWrite'> = {
    tx: async (scope, fn) => {
      const written: [kind: string, id: string][] = [];
      try {
        return await store.tx(scope, (tx) => fn(noting(tx, (kind, id) => written.push([kind, id]))));
      } finally {
        // Also when it failed: a connection that breaks at the commit leaves open whether it was one.
        for (const [kind, id] of written) for (const listener of listeners) listener(kind, id);
      }
    },
    onWrite: (listener) => {
      listeners.add(listener);
      return { [Symbol.dispose]: () => listeners.delete(listener) };
    },
  };
  return delegating<WatchedStore>(store, watched);
}

function noting(tx: Tx, note: WriteListener): Tx {
  const noted: Pick<Tx, 'insert' | 'update' | 'updateMany' | 'softDelete'> = {
    insert: (row) => {
      note(row.kind, row.id);
      return tx.insert(row);
    },
    update: (kind, id, change) => {
      note(kind, id);
      return tx.update(kind, id, change);
    },
    updateMany: (kind, changes) => {
      for (const { id } of changes) note(kind, id);
      return tx.updateMany(kind, changes);
    },
    softDelete: (kind, id) => {
      note(kind, id);
      return tx.softDelete(kind, id);
    },
  };
  return delegating<Tx>(tx, noted);
}

/** `target` with some members of its own; the rest keep their own `this` (private fields and all). */
function delegating<T extends object>(target: object, own: Partial<T>): T {
  return new Proxy(target, {
    get: (_, key) => {
      if (Object.hasOwn(own, key)) return own[key as keyof T];
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  }) as T;
}
