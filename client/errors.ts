/** Errors that the client itself finds, and the way from any error to one sentence and an exit code. */

/** Stable, like the types of workflows and store; `exit-codes.ts` maps each to an exit code. */
export type ClientErrorType =
  | 'Usage'
  | 'RunNotFound'
  | 'RunNotReady'
  | 'UpdateRefused'
  | 'TemporalUnreachable'
  | 'TemporalCredentials'
  | 'NamespaceMissing'
  | 'WorkerMissing'
  | 'ServiceFailed'
  | 'StackMissing'
  | 'RunFailed'
  | 'RunCancelled'
  | 'RunRejected'
  | 'RunWaits'
  | 'Interrupted';

/** One clear sentence that says what went wrong and what to do, under a stable type. */
export class ClientError extends Error {
  constructor(
    /** A {@link ClientErrorType}, or the type of the failure that ended a run. */
    readonly type: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = type;
  }
}

export interface DescribedError {
  type: string;
  message: string;
}

const SYSTEM_ERRORS: Record<string, (path: string) => DescribedError> = {
  ENOENT: (path) => ({ type: 'Usage', message: `${path} does not exist. Check the path.` }),
  EISDIR: (path) => ({ type: 'Usage', message: `${path} is a directory. Give the path of a file.` }),
  ENOTDIR: (path) => ({ type: 'Usage', message: `${path} is not a directory. Check the path.` }),
  EACCES: (path) => ({
    type: 'Usage',
    message: `${path} cannot be opened. Give the current user permission, or choose another path.`,
  }),
  EROFS: (path) => ({
    type: 'Usage',
    message: `${path} is on a read-only disk. Choose another folder with RMR1_HOME or --home.`,
  }),
  ENOSPC: (path) => ({
    type: 'DiskFull',
    message: `No space is left for ${path}. Free some, or choose another disk with RMR1_HOME or --home.`,
  }),
};

/** Type and message of any thrown value; a value of no known type is a defect and is named as one. */
export function describeError(error: unknown): DescribedError {
  if (!(error instanceof Error)) return { type: 'Unexpected', message: String(error) };
  const { type, code, path } = error as Error & { type?: unknown; code?: unknown; path?: unknown };
  if (typeof type === 'string' && type !== 'system') return { type, message: error.message };
  const known = typeof code === 'string' ? SYSTEM_ERRORS[code] : undefined;
  if (known) return known(typeof path === 'string' ? path : 'A file');
  return {
    type: 'Unexpected',
    message: `${error.message || error.name} (a defect of rmr1; RMR1_DEBUG=1 shows where)`,
  };
}

export function isClientError(error: unknown, type?: ClientErrorType): error is ClientError {
  return error instanceof ClientError && (type === undefined || error.type === type);
}
