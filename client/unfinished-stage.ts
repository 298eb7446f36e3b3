/** The stage that a run was training when it was left. */
import { z } from 'zod';
import type { ArtifactStore } from '../activities/artifacts/store.js';
import { ClientError } from './errors.js';

const fenceSchema = z.object({ claims: z.array(z.object({ owner: z.string(), at: z.string() })) });

/**
 * The key of the stage that a run has claimed last, among those whose checkpoints are still there.
 * @throws ClientError `RunNotReady` where there is none.
 */
export async function lastStageOf(store: ArtifactStore, workflowId: string): Promise<string> {
  const keys = await store.listKeys('checkpoints/');
  const claims = await Promise.all(
    keys
      .filter((key) => key.endsWith('/fence.json'))
      .map(async (key) => {
        const fence = fenceSchema.safeParse((await store.getJson(key))?.value);
        const own = fence.data?.claims.filter(({ owner }) => isOf(owner, workflowId)) ?? [];
        return { stageKey: key.split('/')[1]!, at: own.at(-1)?.at };
      }),
  );
  const [newest] = claims
    .flatMap(({ stageKey, at }) => (at === undefined ? [] : [{ stageKey, at }]))
    .sort((a, b) => b.at.localeCompare(a.at));
  if (newest) return newest.stageKey;
  throw new ClientError(
    'RunNotReady',
    `${workflowId} has left no checkpoints: wait for its first, or name the run that trains the stage.`,
  );
}

/** Owners are activities: of the run itself, or of a workflow that it started for a stage. */
const isOf = (owner: string, workflowId: string): boolean =>
  owner === workflowId || owner.startsWith(`${workflowId}/`);
