/**
 * What the gateway may refuse and how it says so: OpenAI's error shape, because that is what clients parse.
 * One table; the text of an internal error never leaves the process.
 */
const catalogue = {
  invalid_api_key: {
    status: 401,
    type: 'authentication_error',
    message:
      'No such API key, or it was revoked. Send `Authorization: Bearer <key>`; `gantry key create` makes one.',
  },
  model_not_found: {
    status: 404,
    type: 'invalid_request_error',
    message: 'No such model for this key. `GET /v1/models` lists those it may use.',
  },
  response_not_found: {
    status: 404,
    type: 'invalid_request_error',
    message: 'No such response of this key’s tenant; it was not stored, was deleted, or had to make room.',
  },
  unknown_path: {
    status: 404,
    type: 'invalid_request_error',
    message: 'The gateway does not serve this path.',
  },
  method_not_allowed: {
    status: 405,
    type: 'invalid_request_error',
    message: 'This path does not take that method.',
  },
  invalid_json: { status: 400, type: 'invalid_request_error', message: 'The body is not a JSON object.' },
  invalid_request: {
    status: 400,
    type: 'invalid_request_error',
    message: 'A field of the request has the wrong form.',
  },
  request_too_large: {
    status: 413,
    type: 'invalid_request_error',
    message: 'The request body is larger than this gateway takes.',
  },
  rate_limit_exceeded: {
    status: 429,
    type: 'rate_limit_error',
    message: 'Too many requests or tokens for now. Retry after the time in `Retry-After`.',
  },
  insufficient_quota: {
    status: 429,
    type: 'insufficient_quota',
    message: 'The budget of this tenant is spent.',
  },
  overloaded: {
    status: 503,
    type: 'server_error',
    message: 'The endpoint has more work than it can hold. Retry after the time in `Retry-After`.',
  },
  no_ready_replica: {
    status: 503,
    type: 'server_error',
    message: 'No replica of this model is ready. It may be starting: retry after the time in `Retry-After`.',
  },
  endpoint_stopped: {
    status: 503,
    type: 'server_error',
    message: 'This endpoint was stopped. `gantry endpoint scale NAME --replicas 1` starts it again.',
  },
  request_quarantined: {
    status: 422,
    type: 'invalid_request_error',
    message: 'This request ended the model server that computed it, twice. It is refused for ten minutes.',
  },
  upstream_failed: {
    status: 502,
    type: 'server_error',
    message: 'The model server failed before it answered. The request may be retried.',
  },
  upstream_timeout: {
    status: 504,
    type: 'server_error',
    message: 'The model server did not answer in time. The request may be retried.',
  },
  stream_interrupted: {
    status: 502,
    type: 'server_error',
    message: 'The model server failed in the middle of the answer; what came before is all there is.',
  },
  shutting_down: {
    status: 503,
    type: 'server_error',
    message: 'This gateway is stopping. Retry at once: another may answer.',
  },
  internal: {
    status: 500,
    type: 'server_error',
    message: 'The gateway failed. The request id leads to the cause in the log.',
  },
} as const;

export type ProblemCode = keyof typeof catalogue;

export interface Problem {
  readonly code: ProblemCode;
  /** Says more than the catalogue's sentence; never a prompt, key or internal error text. */
  readonly detail?: string;
  readonly param?: string;
  readonly retryAfterMs?: number;
}

export function problemStatus(problem: Problem): number {
  return catalogue[problem.code].status;
}

/** Who asks: clients of the two dialects parse errors of different shape. */
export type Dialect = 'openai' | 'oip';

export function dialectOf(url: string | undefined): Dialect {
  return url?.startsWith('/v2') === true ? 'oip' : 'openai';
}

/** The JSON of a problem, as a response body or as the data of an error frame inside a stream. */
export function problemBody(problem: Problem, dialect: Dialect = 'openai'): string {
  const { message, type } = catalogue[problem.code];
  const text = problem.detail === undefined ? message : `${problem.detail} ${message}`;
  if (dialect === 'oip') return JSON.stringify({ error: text });
  return JSON.stringify({
    error: {
      message: text,
      type,
      param: problem.param ?? null,
      code: problem.code,
    },
  });
}
