/** What every job of our Python is given on a cluster: its code, and where the store is. */
import { settingsFromEnvironment, type S3Settings } from '../artifacts/settings.js';
import type { CodePackage } from './code-package.js';
import type { JobRequest } from './jobs-api.js';

/** The request of a job that runs `code`, which the cluster has by then. @param settings of the store; default: this process's */
export function pythonJob(
  code: CodePackage,
  job: Omit<JobRequest, 'workingDir'>,
  settings: S3Settings = settingsFromEnvironment(),
): JobRequest {
  return {
    ...job,
    workingDir: `gcs://${code.name}`,
    environment: { ...storeVariables(settings), ...job.environment, PYTHONUNBUFFERED: '1' },
  };
}

/** Where the store is. Its keys are not sent: Ray shows a job's environment to everyone who sees its dashboard. */
function storeVariables(settings: S3Settings): Record<string, string> {
  const { endpoint, region, bucket, prefix, forcePathStyle, serverSideEncryption } = settings;
  return {
    ...(endpoint ? { RMR1_S3_ENDPOINT: endpoint } : {}),
    RMR1_S3_BUCKET: bucket,
    RMR1_S3_PATH_STYLE: String(forcePathStyle),
    ...(prefix ? { RMR1_S3_PREFIX: prefix } : {}),
    ...(serverSideEncryption ? { RMR1_S3_SSE: serverSideEncryption } : {}),
    AWS_REGION: region,
  };
}
