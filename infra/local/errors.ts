/** Failures of the local stack. `type` is stable; the message names what to do. */
export const INFRA_ERROR_TYPES = [
  'BinaryMissing',
  'InstallFailed',
  'ServerFailed',
  'TemporalUnreachable',
  'TemporalRefused',
  'SearchAttributes',
  'StackBusy',
  'Interrupted',
] as const;

export type InfraErrorType = (typeof INFRA_ERROR_TYPES)[number];

/** One sentence that names what went wrong and what to do, under a stable {@link InfraErrorType}. */
export class InfraError extends Error {
  readonly type: InfraErrorType;

  constructor(type: InfraErrorType, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = type;
    this.type = type;
  }
}

/** Whether `error` is a failure of the stack, of the given type if one is named. */
export function isInfraError(error: unknown, type?: InfraErrorType): error is InfraError {
  if (!(error instanceof Error) || !('type' in error)) return false;
  return type ? error.type === type : INFRA_ERROR_TYPES.includes(error.type as InfraErrorType);
}

/** Fails with `Interrupted` once the caller has given up. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new InfraError('Interrupted', 'Start-up was interrupted; what had been started is stopped again.');
  }
}
