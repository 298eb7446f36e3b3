/**
 * Failures of the artefact store. `type` is stable: retry policies, exit codes and docs refer to it,
 * and `name` equals it because Temporal takes an activity failure's type from the error's name.
 */
export const STORE_ERROR_TYPES = [
  'StorageUnreachable',
  'StorageCredentials',
  'StorageSettings',
  'StorageRefused',
  'BucketMissing',
  'ArtifactMissing',
  'CorruptArtifact',
  'Fenced',
  'PreconditionFailed',
  'DiskFull',
] as const;

export type StoreErrorType = (typeof STORE_ERROR_TYPES)[number];

/** One sentence that names what went wrong and what to do, under a stable {@link StoreErrorType}. */
export class StoreError extends Error {
  readonly type: StoreErrorType;

  constructor(type: StoreErrorType, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = type;
    this.type = type;
  }
}

/** Whether `error` is a store failure, of the given type if one is named. Works across module copies. */
export function isStoreError(error: unknown, type?: StoreErrorType): error is StoreError {
  if (!(error instanceof Error) || !('type' in error)) return false;
  return type ? error.type === type : STORE_ERROR_TYPES.includes(error.type as StoreErrorType);
}

/** The bytes under `uri` are not the bytes that were sealed. */
export function corrupt(uri: string, detail: string): StoreError {
  return new StoreError(
    'CorruptArtifact',
    `${uri} is corrupt: ${detail}. Delete that object and run the stage that made it again.`,
  );
}

/** A referenced object is not in the store. */
export function missing(uri: string): StoreError {
  return new StoreError(
    'ArtifactMissing',
    `${uri} does not exist. Check that the bucket and prefix are the ones the run wrote to, or run the stage that makes it again.`,
  );
}
