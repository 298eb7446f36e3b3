/** Finding the job that works on a stage, or starting the next one. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { setTimeout as delay } from 'node:timers/promises';
import { UserError } from '../../workflows/errors.js';
import type { ArtifactStore } from '../artifacts/store.js';
import type { RayCluster } from './clusters.js';
import { packTrainingCode } from './code-package.js';
import { isLive, RayJobsApi, RayUnreachable } from './jobs-api.js';
import { pythonJob } from './python-job.js';
import { rayRecords, trainingResultSchema, type TrainingResult, type TrainingSpec } from './training-spec.js';

/** A job that was submitted, or was about to be. */
export interface SubmittedJob {
  address: string;
  submissionId: string;
  attempt: number;
}

const jobRecord = z.object({
  address: z.string(),
  submissionId: z.string(),
  attempt: z.int().positive(),
});

/** The same for everyone who wants this attempt at this stage, whatever run they belong to. */
export function submissionIdOf(stage: string, stageKey: string, attempt: number): string {
  return `rmr1-${stage}-${stageKey.slice(0, 20)}-${attempt}`;
}

/** The result that an attempt left; undefined where it left none. */
export async function readResult(
  store: ArtifactStore,
  stageKey: string,
  attempt: number,
): Promise<TrainingResult | undefined> {
  const record = await store.getJson(rayRecords(stageKey).result(attempt));
  if (!record) return undefined;
  const parsed = trainingResultSchema.safeParse(record.value);
  if (parsed.success && parsed.data.attempt === attempt) return parsed.data;
  throw new UserError(
    'CorruptArtifact',
    `The record of what attempt ${attempt} trained for stage ${stageKey.slice(0, 12)} is not one: delete it to train again.`,
  );
}

/** The newest job of a stage as its record says, whether or not it is alive. */
export async function lastJob(store: ArtifactStore, stageKey: string): Promise<SubmittedJob | undefined> {
  const parsed = jobRecord.safeParse((await store.getJson(rayRecords(stageKey).job))?.value);
  return parsed.success ? parsed.data : undefined;
}

/**
 * Whether a job is at work, asked for as long as `patienceMs` where its cluster does not answer.
 * A job on a cluster that is no longer among `clusters` counts as lost, as does one whose cluster stays away.
 */
export async function isAlive(
  job: SubmittedJob,
  clusters: readonly RayCluster[],
  patienceMs: number,
  signal: AbortSignal,
): Promise<RayJobsApi | undefined> {
  const cluster = clusters.find(({ address }) => address === job.address);
  if (!cluster) return undefined;
  const api = new RayJobsApi(cluster);
  const until = Date.now() + patienceMs;
  for (;;) {
    try {
      return isLive(await api.find(job.submissionId)) ? api : undefined;
    } catch (error) {
      if (!(error instanceof RayUnreachable)) throw error;
      if (Date.now() > until) return undefined;
      await delay(1000, undefined, { signal });
    }
  }
}

export interface SubmissionOptions {
  /** Tried in this order. */
  clusters: readonly RayCluster[];
  /** How long clusters that do not answer are asked. */
  patienceMs: number;
  metadata: Record<string, string>;
  signal: AbortSignal;
}

/**
 * Submit a job to the first cluster that answers. `exists`: it knows the id already, from this or an earlier submission.
 * @throws UserError `RayUnreachable` where none does within `patienceMs`.
 */
export async function submitJob(
  store: ArtifactStore,
  spec: TrainingSpec,
  options: SubmissionOptions,
): Promise<{ api: RayJobsApi; job: SubmittedJob; answer: 'submitted' | 'exists' }> {
  const { stageKey, attempt, kind } = spec;
  const records = rayRecords(stageKey);
  const submissionId = submissionIdOf(kind, stageKey, attempt);
  const code = await packTrainingCode();
  await store.putJson(records.spec(attempt), spec);
  const until = Date.now() + options.patienceMs;
  for (;;) {
    const failures: RayUnreachable[] = [];
    for (const cluster of options.clusters) {
      const api = new RayJobsApi(cluster);
      const job = { address: cluster.address, submissionId, attempt };
      try {
        await api.ensurePackage(code.name, code.zip);
        // On record before it exists: whoever comes next looks for it there, and finds it or not.
        await store.putJson(records.job, job);
        const answer = await api.submit(
          pythonJob(code, {
            submissionId,
            entrypoint: entrypointOf(spec),
            environment: { RMR1_SPEC: records.spec(attempt) },
            metadata: options.metadata,
            ...reserved(spec),
          }),
        );
        return { api, job, answer };
      } catch (error) {
        if (!(error instanceof RayUnreachable)) throw error;
        failures.push(error);
      }
    }
    if (Date.now() > until) {
      const said = failures.map(({ message }) => message).join('; ');
      throw new UserError(
        'RayUnreachable',
        `No job can be submitted, ${said}. Start the cluster, or correct RMR1_RAY_ADDRESS where the training worker runs.`,
      );
    }
    await delay(1000, undefined, { signal: options.signal });
  }
}

/** A shell of the cluster runs it: nodes may name another Python for verl, whose packages are not TRL's. */
function entrypointOf(spec: TrainingSpec): string {
  const python = startsVerl(spec) ? '"${RMR1_VERL_PYTHON:-python}"' : 'python';
  return `${python} -m rmr1_ray`;
}

/** What the job's entry point holds: its node's share, or next to nothing where the trainer reserves nodes itself. */
function reserved(spec: TrainingSpec): { cpus: number; gpus: number } {
  if (startsVerl(spec)) return { cpus: 1, gpus: 0 };
  return spec.nodes > 1 ? { cpus: 0, gpus: 0 } : { cpus: spec.cpus, gpus: spec.gpus };
}

function startsVerl(spec: TrainingSpec): boolean {
  return spec.kind === 'grpo' && spec.trainer === 'verl';
}

/** Short and stable, for people who look at the dashboard. */
export function metadataOf(workflowId: string, stage: string, recipe: string): Record<string, string> {
  return {
    workflow: workflowId,
    stage,
    recipe,
    run: createHash('sha256').update(workflowId).digest('hex').slice(0, 8),
  };
}
