/** Whatever was thrown → the one shape of an error answer. The text of an internal error never leaves the process. */
import { GantryError } from '@gantry/contract';

export interface ErrorReply {
  readonly status: number;
  readonly body: { readonly error: Readonly<Record<string, unknown>> };
  readonly isInternal: boolean;
}

const byFastifyCode: Readonly<Record<string, () => GantryError>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: () =>
    new GantryError('body_too_large', 'the body is too large', {
      hint: 'large files belong into a data set or a blob',
    }),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () =>
    new GantryError('unsupported_media_type', 'the body must be JSON', {
      hint: 'send content-type: application/json',
    }),
  FST_ERR_CTP_INVALID_JSON_BODY: () => new GantryError('invalid_json', 'the body is no JSON'),
  FST_ERR_MAX_PARAM_LENGTH: () => new GantryError('not_found', 'nothing has a name that long'),
  FST_ERR_BAD_URL: () =>
    new GantryError('bad_request', 'the path is no valid URL', { hint: 'percent-encode what is in names' }),
  FST_ERR_CTP_EMPTY_JSON_BODY: () => new GantryError('invalid_json', 'the body is empty'),
};

export function toErrorReply(error: unknown, requestId: string): ErrorReply {
  const code = (error as { code?: string }).code ?? '';
  const isSyntax = error instanceof SyntaxError && (error as { statusCode?: number }).statusCode === 400;
  const known =
    error instanceof GantryError
      ? error
      : isSyntax
        ? new GantryError('invalid_json', 'the body is no JSON')
        : byFastifyCode[code]?.();
  const shown =
    known ?? new GantryError('internal', 'something broke inside; the log has it under this request id');
  return {
    status: shown.status,
    isInternal: known === undefined || known.status === 500,
    body: {
      error: {
        code: shown.code,
        message: shown.message,
        ...(shown.hint === undefined ? {} : { hint: shown.hint }),
        ...(shown.problems === undefined ? {} : { problems: shown.problems }),
        requestId,
      },
    },
  };
}
