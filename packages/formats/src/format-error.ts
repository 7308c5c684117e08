/** A file that is not what it claims to be: code + sentence + hint, never a crash or unbounded memory. */
export type FormatErrorCode = 'format_truncated' | 'format_invalid' | 'format_unsupported' | 'format_limit';

export class FormatError extends Error {
  readonly code: FormatErrorCode;
  readonly hint: string | undefined;

  constructor(code: FormatErrorCode, message: string, hint?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'FormatError';
    this.code = code;
    this.hint = hint;
  }
}
