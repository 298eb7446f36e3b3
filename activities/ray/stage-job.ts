/** The job of a stage: the one at work, or the next attempt. */
import type { ArtifactStore } from '../artifacts/store.js';
import { clustersFromEnvironment } from './clusters.js';
import {
  isAlive,
  readResult,
  submitJob,
  type SubmissionOptions,
  type SubmittedJob,
} from './job-on-cluster.js';
import { isLive, type RayJobsApi, RayUnreachable } from './jobs-api.js';
import { rayRecords, type TrainingSpec } from './training-spec.js';

export interface StageJobOptions extends Omit<SubmissionOptions, 'clusters'> {
  stageKey: string;
  /** Who claims the stage, for the fence's record. */
  owner: string;
  /** The newest job on record, which has left no result. */
  standing: SubmittedJob | undefined;
  spec: (attempt: number) => TrainingSpec;
}

/**
 * Attach to the job at work, or claim the stage and submit its next attempt.
 * @throws UserError `RayUnreachable`, `RayRefused`, `RaySettings`, `RayCredentials`.
 */
export async function jobOfStage(
  store: ArtifactStore,
  { stageKey, owner, standing, spec, ...options }: StageJobOptions,
): Promise<{ api: RayJobsApi; job: SubmittedJob }> {
  const clusters = clustersFromEnvironment();
  const alive = standing && (await isAlive(standing, clusters, options.patienceMs, options.signal));
  // A job that was asked to stop is about to end: it is not the one to wait for.
  const stopping = standing && (await store.getJson(rayRecords(stageKey).stop(standing.attempt)));
  if (standing && alive && !stopping) return { api: alive, job: standing };
  if (standing && alive) await alive.stop(standing.submissionId);
  for (;;) {
    options.signal.throwIfAborted();
    const { attempt } = await store.claimStage(stageKey, owner);
    const { api, job, answer } = await submitJob(store, spec(attempt), { ...options, clusters });
    if (answer === 'submitted' || !(await isSpent(store, stageKey, api, job))) return { api, job };
  }
}

/**
 * Whether the head knows the id from a job that has ended and left nothing. Its records may have been deleted since, so
 * that the stage's numbers began anew; Ray runs an id once, and a job of it would only be found dead.
 */
async function isSpent(
  store: ArtifactStore,
  stageKey: string,
  api: RayJobsApi,
  { submissionId, attempt }: SubmittedJob,
): Promise<boolean> {
  try {
    if (isLive(await api.find(submissionId))) return false;
  } catch (error) {
    // Whoever follows the job waits for the head.
    if (error instanceof RayUnreachable) return false;
    throw error;
  }
  return (await readResult(store, stageKey, attempt)) === undefined;
}
