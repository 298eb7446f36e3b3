/** A model out of the newest checkpoint of a stage that has not ended: a job on the cluster makes it, beside the stage's own. */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { UserError } from '../../workflows/errors.js';
import type { ArtifactRef } from '../artifacts/ref.js';
import type { ArtifactStore } from '../artifacts/store.js';
import type { RayCluster } from './clusters.js';
import { packTrainingCode } from './code-package.js';
import { lastJob } from './job-on-cluster.js';
import { isLive, RayJobsApi, RayUnreachable } from './jobs-api.js';
import { LogTail } from './log-tail.js';
import { pythonJob } from './python-job.js';
import { mergedSchema, rayRecords } from './training-spec.js';

const POLL_MS = 1000;

/**
 * The model of the newest checkpoint, merged if nobody has done so yet.
 * @param stageKey of a stage that was trained on Ray, wherever it stands now
 * @throws UserError `TrainerRefused` where there is nothing to merge, `RayUnreachable`, `TrainerLost`.
 */
export async function mergeCheckpoint(
  store: ArtifactStore,
  stageKey: string,
  clusters: readonly RayCluster[],
): Promise<{ step: number; model: ArtifactRef }> {
  const checkpoint = await store.latestCheckpoint(stageKey);
  if (!checkpoint || !(await lastJob(store, stageKey)))
    throw new UserError(
      'TrainerRefused',
      `Stage ${stageKey.slice(0, 12)} has no checkpoint of a job on Ray: wait for its first, or name another run.`,
    );
  const merged = async (step: number) => {
    const record = mergedSchema.safeParse((await store.getJson(rayRecords(stageKey).merged(step)))?.value);
    return record.success ? record.data : undefined;
  };
  const known = await merged(checkpoint.step);
  // Nothing but this record names the model: cleaning up may have taken it.
  if (known && (await store.has(known.model))) return known;
  const said = await runMerge(store, stageKey, clusters);
  const step = Number(/^merged step (\d+)$/m.exec(said)?.[1] ?? -1);
  const made = step < 0 ? undefined : await merged(step);
  if (made) return made;
  throw new UserError(
    'TrainerLost',
    `The checkpoint was not merged: ${said.trim().split('\n').at(-1) ?? ''}`,
  );
}

/** Submit the job and wait for its end. Returns what it said last. */
async function runMerge(
  store: ArtifactStore,
  stageKey: string,
  clusters: readonly RayCluster[],
): Promise<string> {
  const submissionId = `rmr1-merge-${stageKey.slice(0, 20)}-${randomBytes(4).toString('hex')}`;
  const api = await submitToAny(store, stageKey, submissionId, clusters);
  while (isLive(await api.find(submissionId))) await delay(POLL_MS);
  const tail = new LogTail();
  const events = tail.take(`${(await api.log(submissionId)) ?? ''}\n`);
  const failure = events.find((event) => event.type === 'failed');
  if (failure)
    throw new UserError('TrainerRefused', `The checkpoint cannot be merged: ${failure.error.message}`);
  return tail.lastWords;
}

async function submitToAny(
  store: ArtifactStore,
  stageKey: string,
  submissionId: string,
  clusters: readonly RayCluster[],
): Promise<RayJobsApi> {
  const code = await packTrainingCode();
  const failures: string[] = [];
  for (const cluster of clusters) {
    const api = new RayJobsApi(cluster);
    try {
      await api.ensurePackage(code.name, code.zip);
      const job = {
        submissionId,
        entrypoint: 'python -m rmr1_ray.merge',
        environment: { RMR1_STAGE_KEY: stageKey },
        metadata: { stage: 'merge' },
        cpus: 1,
        gpus: 0,
      };
      await api.submit(pythonJob(code, job, store.settings));
      return api;
    } catch (error) {
      if (!(error instanceof RayUnreachable)) throw error;
      failures.push(error.message);
    }
  }
  throw new UserError(
    'RayUnreachable',
    `No job can be submitted, ${failures.join('; ')}. Start the cluster, or correct RMR1_RAY_ADDRESS.`,
  );
}
