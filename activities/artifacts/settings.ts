import { StoreError } from './errors.js';

export const SERVER_SIDE_ENCRYPTION = ['AES256', 'aws:kms', 'aws:kms:dsse'] as const;
export type ServerSideEncryption = (typeof SERVER_SIDE_ENCRYPTION)[number];

/** Where artefacts live. Leave keys out to use the standard AWS credential chain. */
export interface S3Settings {
  /** e.g. `http://127.0.0.1:8333`; leave out for AWS itself. */
  endpoint?: string;
  region: string;
  bucket: string;
  accessKeyId?: string;
  secretAccessKey?: string;
  /** Bucket in the path rather than in the host name: what self-hosted stores need. */
  forcePathStyle: boolean;
  /** Prepended to every key, e.g. `team-a/`. */
  prefix?: string;
  /** How the store encrypts what it keeps; the bucket's own rule where it is left out. */
  serverSideEncryption?: ServerSideEncryption;
  /** How long a request is repeated through refused connections and 5xx answers, in ms. Default 45,000. */
  patienceMs?: number;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the store's settings: `RMR1_S3_ENDPOINT`, `RMR1_S3_BUCKET` (default `rmr1`), `RMR1_S3_PREFIX`,
 * `RMR1_S3_PATH_STYLE` (`true`/`false`; default: true where an endpoint is named), `RMR1_S3_SSE`, `RMR1_S3_PATIENCE_MS`,
 * and the standard `AWS_*` variables for region, keys, profiles and roles.
 *
 * @throws StoreError `StorageSettings` naming the variable that cannot be used.
 */
export function settingsFromEnvironment(env: Environment = process.env): S3Settings {
  const endpoint = env['RMR1_S3_ENDPOINT'] || env['AWS_ENDPOINT_URL_S3'] || env['AWS_ENDPOINT_URL'];
  if (endpoint !== undefined && endpoint !== '' && !/^https?:\/\/[^/]+/.test(endpoint)) {
    throw new StoreError(
      'StorageSettings',
      `RMR1_S3_ENDPOINT is "${endpoint}", which is not a URL. Use the form http://127.0.0.1:8333.`,
    );
  }
  const pathStyle = env['RMR1_S3_PATH_STYLE'];
  const patience = env['RMR1_S3_PATIENCE_MS'];
  if (patience && !/^\d+$/.test(patience)) {
    throw new StoreError(
      'StorageSettings',
      `RMR1_S3_PATIENCE_MS is "${patience}". Use whole milliseconds, such as 45000.`,
    );
  }
  const encryption = env['RMR1_S3_SSE'];
  const serverSideEncryption = SERVER_SIDE_ENCRYPTION.find((name) => name === encryption);
  if (encryption && !serverSideEncryption) {
    throw new StoreError(
      'StorageSettings',
      `RMR1_S3_SSE is "${encryption}". Use one of ${SERVER_SIDE_ENCRYPTION.join(', ')}, or leave it out for the bucket's own rule.`,
    );
  }
  const settings: S3Settings = {
    region: env['AWS_REGION'] || env['AWS_DEFAULT_REGION'] || 'us-east-1',
    bucket: env['RMR1_S3_BUCKET'] || 'rmr1',
    forcePathStyle: pathStyle ? pathStyle !== 'false' : Boolean(endpoint),
  };
  if (endpoint) settings.endpoint = endpoint;
  if (env['AWS_ACCESS_KEY_ID'] && env['AWS_SECRET_ACCESS_KEY'] && !env['AWS_SESSION_TOKEN']) {
    settings.accessKeyId = env['AWS_ACCESS_KEY_ID'];
    settings.secretAccessKey = env['AWS_SECRET_ACCESS_KEY'];
  }
  if (serverSideEncryption) settings.serverSideEncryption = serverSideEncryption;
  if (env['RMR1_S3_PREFIX']) settings.prefix = env['RMR1_S3_PREFIX'];
  if (patience) settings.patienceMs = Number(patience);
  return settings;
}
