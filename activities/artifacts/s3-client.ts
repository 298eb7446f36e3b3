import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import type { S3Settings } from './settings.js';
import { codeOf } from './translate-error.js';

const DEFAULT_PATIENCE_MS = 45_000;
const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 2_000;

type RetryStrategy = Extract<
  NonNullable<S3ClientConfig['retryStrategy']>,
  { acquireInitialRetryToken: unknown }
>;
type RetryToken = Awaited<ReturnType<RetryStrategy['acquireInitialRetryToken']>>;

/**
 * Repeats a request for a span of time rather than a number of times. A store killed and restarted answers
 * 500 for up to half a minute, which the SDK's own budget of attempts gives up on. A key that it has taken
 * before may be unknown for a moment, too, and is tried again; one that it never took is refused at once.
 */
class PatientRetryStrategy implements RetryStrategy {
  private readonly started = new WeakMap<object, number>();
  private accepted = false;

  constructor(private readonly patienceMs: number) {}

  acquireInitialRetryToken(): Promise<RetryToken> {
    return Promise.resolve(this.token(0, 0, Date.now()));
  }

  refreshRetryTokenForRetry(
    token: RetryToken,
    info: Parameters<RetryStrategy['refreshRetryTokenForRetry']>[1],
  ): Promise<RetryToken> {
    const startedAt = this.started.get(token) ?? Date.now();
    const delay =
      Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** token.getRetryCount()) * (0.5 + Math.random() / 2);
    const exhausted = Date.now() + delay - startedAt > this.patienceMs;
    const forgotten = this.accepted && codeOf(info.error) === 'InvalidAccessKeyId';
    if ((info.errorType === 'CLIENT_ERROR' && !forgotten) || exhausted) {
      return Promise.reject(new Error('not worth another attempt'));
    }
    return Promise.resolve(this.token(token.getRetryCount() + 1, delay, startedAt));
  }

  recordSuccess(): void {
    this.accepted = true;
  }

  private token(count: number, delay: number, startedAt: number): RetryToken {
    const token: RetryToken = { getRetryCount: () => count, getRetryDelay: () => delay };
    this.started.set(token, startedAt);
    return token;
  }
}

/** An S3 client that rides out a restart of the store, for `patienceMs`. */
export function createS3Client(settings: S3Settings): S3Client {
  // The SDK's release is pinned, so its notice about a later release's Node version tells users nothing.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  const config: S3ClientConfig = {
    region: settings.region,
    forcePathStyle: settings.forcePathStyle,
    retryStrategy: new PatientRetryStrategy(settings.patienceMs ?? DEFAULT_PATIENCE_MS),
    // Reads are verified against the sha256 in the reference; a second checksum would only cost time.
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: { connectionTimeout: 5_000, socketTimeout: 60_000 },
  };
  if (settings.endpoint) config.endpoint = settings.endpoint;
  if (settings.accessKeyId && settings.secretAccessKey) {
    config.credentials = {
      accessKeyId: settings.accessKeyId,
      secretAccessKey: settings.secretAccessKey,
    };
  }
  return new S3Client(config);
}
