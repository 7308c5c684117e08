import { DataError } from '../data/index.ts';

/** What the user can put right: reported as a `fault` with code, sentence and hint; the rank exits with 64. */
export class UserFault extends Error {
  readonly code: string;
  readonly hint: string;

  constructor(code: string, message: string, hint: string) {
    super(message);
    this.name = 'UserFault';
    this.code = code;
    this.hint = hint;
  }
}

/** Data that storage does not give just now is not the user's. */
export function toUserFault(error: unknown): never {
  const isUsers = error instanceof DataError && error.code !== 'data_unavailable';
  throw isUsers ? new UserFault(error.code, error.message, error.hint) : error;
}
