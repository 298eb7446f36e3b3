/** The errors an engine process ends with; each has a stable string type and one exit code of the `EXIT` table. */
import { EXIT } from './job.js';

/** Types as they cross the process boundary in the `failed` event. */
export type EngineErrorType = 'EngineBadJob' | 'EngineBadData' | 'DiskFull' | 'EngineFailed';

/** An error whose message is one sentence for the person who started the job. */
export class EngineError extends Error {
  constructor(
    readonly type: EngineErrorType,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = type;
  }
}

/** A setting of the job cannot work. */
export function badJob(message: string, cause?: unknown): EngineError {
  return new EngineError('EngineBadJob', message, { cause });
}

/** A file the job reads cannot work. */
export function badData(message: string, cause?: unknown): EngineError {
  return new EngineError('EngineBadData', message, { cause });
}

/** How onnxruntime and the JavaScript engine say that memory ran out. */
const OUT_OF_MEMORY =
  /Failed to allocate memory|bad_alloc|BFCArena|Array buffer allocation failed|Invalid typed array length|out of memory/i;

const DISK_CODES = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** Turn anything thrown into an `EngineError`; system errors keep their file and get a sentence. */
export function toEngineError(error: unknown): EngineError {
  if (error instanceof EngineError) return error;
  const { code, path, message } = error as NodeJS.ErrnoException;
  const where = path === undefined ? '' : ` (${path})`;
  if (code !== undefined && DISK_CODES.has(code))
    return new EngineError('DiskFull', `no space left to write${where}: free some disk space, then resume`, {
      cause: error,
    });
  if (code === 'EACCES' || code === 'EROFS' || code === 'EPERM')
    return new EngineError(
      'EngineFailed',
      `no permission to read or write${where}: check its owner and mode`,
      {
        cause: error,
      },
    );
  if (OUT_OF_MEMORY.test(message ?? ''))
    // The same job would meet the same limit again, so it is the job's fault.
    return badJob(
      'memory ran out: set recompute, lower microBatchTokens (the result is the same but for rounding) or batchSize, ' +
        'train adapters (lora), or use a machine with more memory',
      error,
    );
  return new EngineError('EngineFailed', message ?? String(error), { cause: error });
}

/** Exit code of an error, by the one table of `EXIT`. */
export function exitCode(error: EngineError): number {
  switch (error.type) {
    case 'EngineBadJob':
      return EXIT.badJob;
    case 'EngineBadData':
      return EXIT.badData;
    default:
      return EXIT.failed;
  }
}

/** Read a file with `read`; a missing or unreadable one becomes a data error that says what it was for. */
export function reading<T>(what: string, path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') throw badData(`${what} is missing: there is no ${path}`, error);
    if (code === 'EISDIR' || code === 'ENOTDIR')
      throw badData(`${what} cannot be read: ${path} is not a file`, error);
    if (code === 'EACCES') throw badData(`${what} cannot be read: no permission for ${path}`, error);
    throw error;
  }
}
