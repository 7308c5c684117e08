/** What the user can put right: told as a fault, and the job is not tried again. */
export class WorkError extends Error {
  readonly code: string;
  readonly hint: string | undefined;

  constructor(code: 'data_missing' | 'data_invalid' | 'not_possible', message: string, hint?: string) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}
