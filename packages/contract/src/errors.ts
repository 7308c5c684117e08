/**
 * The one catalogue of errors: code → HTTP status, whether trying again can help, whose fault it is.
 * Clients switch on the code; the sentence and the hint are for people.
 */
interface ErrorKind {
  readonly status: number;
  readonly retryable: boolean;
  readonly fault: 'caller' | 'platform';
}

const caller = (status: number, retryable = false): ErrorKind => ({ status, retryable, fault: 'caller' });
const platform = (status: number, retryable = true): ErrorKind => ({ status, retryable, fault: 'platform' });

export const errorCodes = {
  bad_request: caller(400),
  invalid_json: caller(400),
  validation_failed: caller(422),
  unknown_field: caller(422),
  unsatisfiable_request: caller(422),
  data_missing: caller(422),
  data_invalid: caller(422),
  unauthenticated: caller(401),
  key_expired: caller(401),
  invitation_invalid: caller(401),
  invitation_expired: caller(401),
  forbidden: caller(403),
  not_found: caller(404),
  method_not_allowed: caller(405),
  already_exists: caller(409),
  invalid_transition: caller(409),
  version_conflict: caller(412, true),
  idempotency_mismatch: caller(409),
  in_use: caller(409),
  gate_not_passed: caller(409),
  body_too_large: caller(413),
  unsupported_media_type: caller(415),
  limit_exceeded: caller(429, true),
  blob_corrupt: platform(500, false),
  internal: platform(500, false),
  store_unavailable: platform(503),
  storage_unavailable: platform(503),
  shutting_down: platform(503),
  disk_full: platform(507),
  port_in_use: caller(409),
  data_dir_held: caller(409),
  database_held: caller(409),
  data_dir_not_writable: caller(403),
  schema_too_new: caller(409),
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof errorCodes;

export interface ErrorProblem {
  /** Where in the input, as people point: `resources.gpu`, `train.yaml:9:14`. */
  readonly path: string;
  readonly message: string;
  readonly hint?: string;
}

export interface GantryErrorOptions {
  readonly hint?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly problems?: readonly ErrorProblem[];
  readonly cause?: unknown;
}

/** What is thrown at the cause and mapped once at the edge. */
export class GantryError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;
  readonly problems: readonly ErrorProblem[] | undefined;

  constructor(code: ErrorCode, message: string, options: GantryErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'GantryError';
    this.code = code;
    this.hint = options.hint;
    this.details = options.details;
    this.problems = options.problems;
  }

  get status(): number {
    return errorCodes[this.code].status;
  }
}
