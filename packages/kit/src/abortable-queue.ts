/**
 * An unbounded hand-over between one producer side and one consumer: `push` never waits, the consumer
 * iterates until the signal aborts or `close` is called; what was pushed before `close` is still delivered.
 */
export interface AbortableQueue<T> extends AsyncIterable<T> {
  push(item: T): void;
  close(): void;
  readonly size: number;
}

export function createAbortableQueue<T>(signal?: AbortSignal): AbortableQueue<T> {
  const items: T[] = [];
  let isClosed = false;
  let wake: (() => void) | undefined;
  const close = (): void => {
    isClosed = true;
    wake?.();
  };
  if (signal?.aborted) isClosed = true;
  signal?.addEventListener('abort', close, { once: true });
  return {
    push: (item) => {
      if (isClosed) return;
      items.push(item);
      wake?.();
    },
    close,
    get size() {
      return items.length;
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (items.length > 0) yield items.shift() as T;
        if (isClosed) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        wake = undefined;
      }
    },
  };
}
