/** Versions of the workers: which one new runs go to, and which ones still have runs to finish. */
import type { Client } from '@temporalio/client';
import { isGrpcServiceError } from '@temporalio/client';
import proto from '@temporalio/proto';
import { DEPLOYMENT } from '../temporal.config.js';
import { ClientError } from './errors.js';

const { VersionDrainageStatus } = proto.temporal.api.enums.v1;
const NOT_FOUND = 5;

export interface DeploymentVersion {
  buildId: string;
  /** New runs go here. */
  current: boolean;
  /** `draining`: runs that began on it are still under way; `drained`: its workers can be stopped. */
  state: 'current' | 'draining' | 'drained' | 'inactive';
}

/** Every version that has or had workers, newest first; none where workers are not versioned. */
export async function deploymentVersions(client: Client, namespace: string): Promise<DeploymentVersion[]> {
  try {
    const { workerDeploymentInfo } = await client.workflowService.describeWorkerDeployment({
      namespace,
      deploymentName: DEPLOYMENT,
    });
    const current = workerDeploymentInfo?.routingConfig?.currentDeploymentVersion?.buildId;
    return (workerDeploymentInfo?.versionSummaries ?? []).map(({ deploymentVersion, drainageStatus }) => {
      const buildId = deploymentVersion?.buildId ?? '';
      return { buildId, current: buildId === current, state: stateOf(buildId === current, drainageStatus) };
    });
  } catch (error) {
    if (isGrpcServiceError(error) && Number(error.code) === NOT_FOUND) return [];
    throw error;
  }
}

function stateOf(current: boolean, drainage: number | null | undefined): DeploymentVersion['state'] {
  if (current) return 'current';
  if (drainage === VersionDrainageStatus.VERSION_DRAINAGE_STATUS_DRAINING) return 'draining';
  return drainage === VersionDrainageStatus.VERSION_DRAINAGE_STATUS_DRAINED ? 'drained' : 'inactive';
}

/**
 * Send new runs to `buildId`; runs under way stay where they began.
 * @throws ClientError `Usage` where no worker of that build has been seen.
 */
export async function promoteBuild(client: Client, namespace: string, buildId: string): Promise<void> {
  try {
    await client.workflowService.setWorkerDeploymentCurrentVersion({
      namespace,
      deploymentName: DEPLOYMENT,
      buildId,
      identity: client.options.identity,
    });
  } catch (error) {
    if (!isGrpcServiceError(error)) throw error;
    // A deployment that no worker ever belonged to is not found; one without this build says so in words.
    const missing = Number(error.code) === NOT_FOUND || /not found|no pollers|missing/i.test(error.details);
    if (!missing) throw error;
    throw new ClientError(
      'Usage',
      `No workers of build '${buildId}' for all task queues have been seen (${error.details}). Start them with RMR1_BUILD_ID=${buildId} first.`,
      { cause: error },
    );
  }
}
