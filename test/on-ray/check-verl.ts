/**
 * `npm run check:verl`: what surrounds training by verl, tested with verl itself on CPUs and a real S3: configurations,
 * prompts, reward, checkpoints, the loop's hooks, merging. Builds verl's Python environment where it is missing (6 GB).
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveBinary } from '../../infra/local/binaries.js';
import { isInfraError } from '../../infra/local/errors.js';
import { resolveRayEnvironment, VERL } from '../../infra/local/ray-python.js';
import { startSeaweed } from '../../infra/local/seaweed.js';
import { checkedPython } from './python-tools.js';

const onProgress = (message: string): void => console.error(message);

async function environmentOrReason(): Promise<string | undefined> {
  try {
    return await resolveRayEnvironment({ environment: VERL, onProgress });
  } catch (error) {
    if (!isInfraError(error)) throw error;
    console.log(`SKIPPED: ${error.message}`);
    return undefined;
  }
}

const environment = await environmentOrReason();
if (environment) {
  const python = await checkedPython(environment);
  const home = await mkdtemp(join(tmpdir(), 'rmr1-check-verl-'));
  const s3 = await startSeaweed({
    binary: (await resolveBinary('weed')).path,
    dir: join(home, 's3'),
    bucket: 'rmr1',
  });
  try {
    const { endpoint = '', region, accessKeyId = '', secretAccessKey = '' } = s3.settings;
    const passed = python.passes(
      'pytest',
      ['-q', '-p', 'no:cacheprovider', ...process.argv.slice(2), 'tests-verl'],
      {
        RMR1_S3_ENDPOINT: endpoint,
        RMR1_S3_BUCKET: 'rmr1',
        AWS_REGION: region,
        AWS_DEFAULT_REGION: region,
        AWS_ACCESS_KEY_ID: accessKeyId,
        AWS_SECRET_ACCESS_KEY: secretAccessKey,
        HYDRA_FULL_ERROR: '1',
      },
    );
    process.exitCode = passed ? 0 : 1;
  } finally {
    await s3.stop();
    await rm(home, { recursive: true, force: true });
  }
}
