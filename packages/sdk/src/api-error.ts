import type { ErrorProblem } from '@gantry/contract';

/** What the server answered instead of a result, or why it could not be reached (`unreachable`). */
export class ApiError extends Error {
  readonly code: string;
  readonly status: number;
  readonly hint: string | undefined;
  readonly problems: readonly ErrorProblem[];
  readonly requestId: string | undefined;
  /** How long the server asks to wait before the next try. */
  readonly retryAfterMs: number | undefined;

  constructor(input: {
    code: string;
    message: string;
    status: number;
    hint?: string;
    problems?: readonly ErrorProblem[];
    requestId?: string;
    retryAfterMs?: number;
    cause?: unknown;
  }) {
    super(input.message, input.cause === undefined ? undefined : { cause: input.cause });
    this.name = 'ApiError';
    this.code = input.code;
    this.status = input.status;
    this.hint = input.hint;
    this.problems = input.problems ?? [];
    this.requestId = input.requestId;
    this.retryAfterMs = input.retryAfterMs;
  }
}
