/**
 * Waits so long, or until the signal aborts; never rejects. `isBackground`: it keeps no process alive.
 */
export function pause(
  delayMs: number,
  signal: AbortSignal,
  { isBackground = false }: { readonly isBackground?: boolean } = {},
): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(finish, delayMs);
    if (isBackground) (timer as { unref?: () => void }).unref?.();
    function finish(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve();
    }
    signal.addEventListener('abort', finish);
  });
}
