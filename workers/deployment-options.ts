/** Worker versioning: runs stay with the version they began on, until it is drained. */
import type { WorkerOptions } from '@temporalio/worker';
import { DEPLOYMENT } from '../temporal.config.js';

/** Where `RMR1_BUILD_ID` names this build, the worker takes part in the deployment `rmr1`; without it nothing is versioned. */
export function deploymentOptions(
  env: NodeJS.ProcessEnv = process.env,
): Pick<WorkerOptions, 'workerDeploymentOptions'> {
  const buildId = env.RMR1_BUILD_ID;
  if (!buildId) return {};
  return {
    workerDeploymentOptions: {
      version: { deploymentName: DEPLOYMENT, buildId },
      useWorkerVersioning: true,
      defaultVersioningBehavior: 'PINNED',
    },
  };
}
