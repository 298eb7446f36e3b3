/** The Ray clusters that a client talks to: those that the environment names, else the local stack's. */
import { clustersFromEnvironment, type RayCluster } from '../../activities/ray/clusters.js';
import { homeDirectory } from '../../infra/environment.js';
import { StackFile } from '../../infra/local/stack-file.js';

/** @throws UserError `RaySettings` where none is named, or one wrongly. */
export async function rayClusters(env: NodeJS.ProcessEnv = process.env): Promise<RayCluster[]> {
  if (env.RMR1_RAY_ADDRESS) return clustersFromEnvironment(env);
  const { ray } = await new StackFile(homeDirectory()).read();
  return clustersFromEnvironment({ ...env, RMR1_RAY_ADDRESS: ray?.address });
}
