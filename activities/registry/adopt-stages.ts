/** Stages of an earlier run, taken over by another one as they are. */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { UserError } from '../../workflows/errors.js';
import { STAGES, type PipelineStage } from '../../workflows/inputs.js';
import { lineageQuery } from '../../workflows/messages.js';
import type { ArtifactStore } from '../artifacts/store.js';
import type { RegistryActivities } from './interface.js';

/** What `run` finished before `stage`; the run itself may be running, completed, failed or terminated. */
export async function adoptStages(
  store: ArtifactStore,
  client: Client,
  run: string,
  stage: PipelineStage,
): ReturnType<RegistryActivities['adoptStages']> {
  const wanted = STAGES.slice(0, STAGES.indexOf(stage));
  const { stages } = await client.workflow
    .getHandle(run)
    .query(lineageQuery)
    .catch((error: unknown) => {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      throw new UserError(
        'InvalidInput',
        `startFrom.run: there is no run '${run}'. \`rmr1 runs\` lists them.`,
      );
    });
  const adopted: Awaited<ReturnType<RegistryActivities['adoptStages']>> = {};
  for (const name of wanted) {
    const found = stages.findLast((candidate) => candidate.stage === name);
    const manifest = found && (await store.readManifest(name, found.key));
    if (!manifest) {
      throw new UserError(
        'InvalidInput',
        `startFrom: '${run}' did not finish stage '${name}'; start from a stage up to '${name}'.`,
      );
    }
    const { key, outputs, parents, metrics, cost } = manifest;
    adopted[name] = { stage: name, key, reused: true, outputs, parents, metrics, cost };
  }
  return adopted;
}
