import { StoreError, isStoreError } from './errors.js';

interface ServiceFailure {
  name?: string;
  message?: string;
  code?: string;
  Code?: string;
  $metadata?: { httpStatusCode?: number; attempts?: number };
}

const CREDENTIAL_CODES = new Set([
  'AccessDenied',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'ExpiredToken',
  'InvalidToken',
]);

const NETWORK_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ERR_STREAM_PREMATURE_CLOSE',
  'TimeoutError',
  'RequestTimeout',
]);

/** What a failing request was about, for the message. */
export interface RequestContext {
  endpoint: string;
  bucket: string;
  uri: string;
}

/** HTTP status of an SDK error, if it got as far as a response. */
export function statusOf(error: unknown): number | undefined {
  return (error as ServiceFailure | undefined)?.$metadata?.httpStatusCode;
}

/** Error code as the service or the socket named it. */
export function codeOf(error: unknown): string {
  const failure = error as ServiceFailure | undefined;
  return failure?.Code ?? failure?.code ?? failure?.name ?? 'Unknown';
}

/** Whether the request was sent more than once, so that a 412 may answer our own earlier, successful write. */
export function wasRetried(error: unknown): boolean {
  return ((error as ServiceFailure | undefined)?.$metadata?.attempts ?? 1) > 1;
}

/** Whether the connection broke rather than the service refusing. */
export function isNetworkError(error: unknown): boolean {
  const { code, name, message } = (error ?? {}) as ServiceFailure;
  return NETWORK_CODES.has(code ?? '') || NETWORK_CODES.has(name ?? '') || message === 'aborted';
}

/** Turns any SDK failure into a {@link StoreError} whose message says what to do. */
export function translateError(error: unknown, { endpoint, bucket, uri }: RequestContext): StoreError {
  if (isStoreError(error)) return error;
  const status = statusOf(error);
  const code = codeOf(error);
  const detail = error instanceof Error ? error.message : String(error);

  if (code === 'NoSuchBucket') {
    return new StoreError(
      'BucketMissing',
      `Bucket "${bucket}" does not exist at ${endpoint}. Create it, or name another one in RMR1_S3_BUCKET.`,
      { cause: error },
    );
  }
  if (code === 'CredentialsProviderError') {
    return new StoreError(
      'StorageCredentials',
      `No credentials for ${endpoint} were found. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a key that may read and write bucket "${bucket}", or start the local store with "rmr1 up".`,
      { cause: error },
    );
  }
  if (status === 403 || status === 401 || CREDENTIAL_CODES.has(code)) {
    return new StoreError(
      'StorageCredentials',
      `${endpoint} refused access to ${uri} (${code}). Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a key that may read and write bucket "${bucket}".`,
      { cause: error },
    );
  }
  if (status === 412) {
    return new StoreError(
      'PreconditionFailed',
      `${uri} was changed by another writer. Read it again and retry the change on its new value.`,
      { cause: error },
    );
  }
  if (isNetworkError(error) || status === undefined) {
    return new StoreError(
      'StorageUnreachable',
      `Cannot reach S3 at ${endpoint} (${code}: ${detail}). Start it with "rmr1 up", or set RMR1_S3_ENDPOINT to a running one.`,
      { cause: error },
    );
  }
  if (status >= 500 || status === 429) {
    return new StoreError(
      'StorageUnreachable',
      `S3 at ${endpoint} keeps answering ${status} (${code}) for ${uri}. Check its log and that its disk is not full; the request can then be repeated.`,
      { cause: error },
    );
  }
  return new StoreError(
    'StorageRefused',
    `S3 at ${endpoint} refused ${uri} with ${status} (${code}: ${detail}). Check that it supports conditional writes and sha256 checksums.`,
    { cause: error },
  );
}
