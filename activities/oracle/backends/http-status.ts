/** The HTTP status behind an error of a backend, however deep. */
export function statusOf(error: unknown): number | undefined {
  const { status, cause } = error as { status?: unknown; cause?: unknown };
  if (typeof status === 'number') return status;
  return typeof cause === 'object' && cause !== null ? statusOf(cause) : undefined;
}

/** Cancelling a batch that has ended, or is gone, needs no more doing. */
export function isOver(error: unknown): boolean {
  return [400, 404, 409].includes(statusOf(error) ?? 0);
}
