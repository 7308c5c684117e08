/**
 * When asking again is safe and may help: the request changes nothing or carries an idempotency key, and the
 * server could not be reached or said that it is for a moment only.
 */
import { errorCodes } from '@gantry/contract';
import type { ApiError } from './api-error.ts';

export interface RetryOptions {
  /** Attempts beyond the first. */
  readonly retries?: number;
  readonly firstDelayMs?: number;
  /** Rejects when the signal aborts. */
  readonly wait?: (ms: number, signal?: AbortSignal) => Promise<void>;
}

export type Retry = Required<RetryOptions>;

export const defaultRetry: Retry = { retries: 3, firstDelayMs: 100, wait };

const longestDelayMs = 5_000;

export function mayHelp({ code, status }: ApiError): boolean {
  if (code === 'unreachable') return true;
  const known = (errorCodes as Readonly<Record<string, { retryable: boolean; status: number }>>)[code];
  // A conflict is retryable by reading again, not by asking the same again.
  if (known !== undefined) return known.retryable && (known.status === 429 || known.status === 503);
  return status === 429 || status === 502 || status === 503 || status === 504;
}

/** Doubled each time; what the server asks for (`Retry-After`) where that is longer. */
export function delayMsOf({ firstDelayMs }: Retry, tries: number, askedMs: number | undefined): number {
  return Math.max(Math.min(longestDelayMs, firstDelayMs * 2 ** tries), askedMs ?? 0);
}

function wait(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason);
      return;
    }
    const timer = setTimeout(finish, ms);
    function finish(): void {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }
    function onAbort(): void {
      clearTimeout(timer);
      reject(signal?.reason);
    }
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
