/** Aborts at the first Ctrl-C, so that what came so far can be told; the second ends the process as ever. */
export function firstInterrupt(): Disposable & { readonly signal: AbortSignal } {
  const interrupted = new AbortController();
  const onInterrupt = (): void => interrupted.abort();
  process.once('SIGINT', onInterrupt);
  return {
    signal: interrupted.signal,
    [Symbol.dispose]: () => process.removeListener('SIGINT', onInterrupt),
  };
}
