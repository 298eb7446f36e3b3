import { temporalTarget } from '../../infra/temporal-target.js';
import { deploymentVersions, promoteBuild } from '../deployments.js';
import { ClientError } from '../errors.js';
import type { SharedOptions } from '../options.js';
import { print } from '../output.js';
import { withClient } from './with-run.js';

export async function run(options: SharedOptions, action = 'show', build?: string): Promise<void> {
  const { namespace } = temporalTarget();
  if (action === 'promote') {
    if (build === undefined) throw new ClientError('Usage', 'Name the build: rmr1 deployment promote BUILD.');
    await withClient(({ temporal }) => promoteBuild(temporal, namespace, build));
    return print(options.json, { current: build }, () => `New runs go to build ${build}.`);
  }
  if (action !== 'show')
    throw new ClientError('Usage', `Unknown action '${action}'. Actions: show, promote.`);
  const versions = await withClient(({ temporal }) => deploymentVersions(temporal, namespace));
  print(options.json, versions, () =>
    versions.length === 0
      ? 'No versioned workers. Start some with RMR1_BUILD_ID set to name their build.'
      : versions.map(({ buildId, state }) => `${buildId}  ${state}`).join('\n'),
  );
}
