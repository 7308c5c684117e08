/** What a caller of an engine did wrong, or what the engine cannot do: rendered in OpenAI's shape at the edge. */
interface EngineErrorKind {
  readonly status: number;
  readonly type: 'invalid_request_error' | 'server_error' | 'not_found_error';
}

const kinds = {
  invalid_value: { status: 400, type: 'invalid_request_error' },
  invalid_json: { status: 400, type: 'invalid_request_error' },
  context_length_exceeded: { status: 400, type: 'invalid_request_error' },
  unsupported: { status: 400, type: 'invalid_request_error' },
  chat_template_failed: { status: 422, type: 'invalid_request_error' },
  body_too_large: { status: 413, type: 'invalid_request_error' },
  model_not_found: { status: 404, type: 'invalid_request_error' },
  not_found: { status: 404, type: 'not_found_error' },
  method_not_allowed: { status: 405, type: 'invalid_request_error' },
  queue_full: { status: 429, type: 'server_error' },
  timed_out: { status: 504, type: 'server_error' },
  loading: { status: 503, type: 'server_error' },
  shutting_down: { status: 503, type: 'server_error' },
  model_invalid: { status: 500, type: 'server_error' },
  engine_failed: { status: 500, type: 'server_error' },
} as const satisfies Record<string, EngineErrorKind>;

export type EngineErrorCode = keyof typeof kinds;

export class EngineError extends Error {
  readonly code: EngineErrorCode;
  /** The field of the request. */
  readonly param: string | undefined;
  readonly hint: string | undefined;

  constructor(
    code: EngineErrorCode,
    message: string,
    options: { readonly param?: string; readonly hint?: string; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'EngineError';
    this.code = code;
    this.param = options.param;
    this.hint = options.hint;
  }

  get status(): number {
    return kinds[this.code].status;
  }

  /** The sentence with its hint. */
  get text(): string {
    return this.hint === undefined ? this.message : `${this.message} ${this.hint}`;
  }

  toOpenAi(): Record<string, unknown> {
    return {
      error: { message: this.text, type: kinds[this.code].type, param: this.param ?? null, code: this.code },
    };
  }
}
