/** Errors as the two APIs word them. */

/** Whose wire format a request speaks. */
export type Dialect = 'openai' | 'anthropic';

const ANTHROPIC_TYPES: Record<number, string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  409: 'conflict_error',
  413: 'request_too_large',
  422: 'invalid_request_error',
  429: 'rate_limit_error',
  529: 'overloaded_error',
};

/** An error that reaches the client: `{error: {message, type, param, code}}` or `{type, error: {type, message}}`. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(message);
  }

  /** The error object alone, as it stands in error files and batch results too. */
  object(dialect: Dialect): Record<string, unknown> {
    if (dialect === 'anthropic') {
      const type = ANTHROPIC_TYPES[this.status] ?? 'api_error';
      return { type: 'error', error: { type, message: this.message } };
    }
    const type =
      this.status >= 500 ? 'server_error' : this.status === 429 ? 'requests' : 'invalid_request_error';
    return { error: { message: this.message, type, param: null, code: this.code } };
  }

  body(dialect: Dialect): string {
    return JSON.stringify(this.object(dialect));
  }
}
