/**
 * What can be wrong with a user's data; the worker reports it as a fault and exits with 64. `data_unavailable` is
 * nobody's fault but the storage's: the attempt is repeated for free.
 */
export type DataErrorCode =
  | 'data_missing'
  | 'data_empty'
  | 'data_binary'
  | 'data_invalid'
  | 'data_too_short'
  | 'data_changed'
  | 'data_corrupt'
  | 'data_unavailable';

export class DataError extends Error {
  readonly code: DataErrorCode;
  readonly hint: string;

  constructor(code: DataErrorCode, message: string, hint: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'DataError';
    this.code = code;
    this.hint = hint;
  }
}
