/** What a client of the server can meet, as HTTP. */

/** An error with a status; its body is `{"error": {"type", "message"}}`. */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    readonly type: string,
    message: string,
    /** Whole seconds for `retry-after`. */
    readonly retryAfterSeconds?: number,
  ) {
    super(message);
    this.name = type;
  }

  get headers(): Record<string, string> {
    return this.retryAfterSeconds === undefined ? {} : { 'retry-after': String(this.retryAfterSeconds) };
  }

  get body(): string {
    return JSON.stringify({ error: { type: this.type, message: this.message, code: this.status } });
  }
}

const STATUS_OF_TYPE: Record<string, number> = {
  JudgeRejected: 422,
  JudgeUnreachable: 502,
  JudgeCredentials: 502,
  TrainerLost: 503,
  TrainerRefused: 500,
};

/** The one form of every failure. `timeoutSeconds` words the sentence where the request's own limit was met. */
export function toHttpError(error: unknown, timeoutSeconds: number): HttpError {
  if (error instanceof HttpError) return error;
  const { name, type, message } = error as Error & { type?: string };
  if (name === 'TimeoutError') {
    return new HttpError(
      504,
      'TimedOut',
      `No answer within ${timeoutSeconds} s; ask for less, or raise the server's --timeout.`,
    );
  }
  const status = STATUS_OF_TYPE[type ?? ''];
  if (status !== undefined) return new HttpError(status, type!, message, status === 503 ? 5 : undefined);
  return new HttpError(500, 'Unexpected', message || String(error));
}
