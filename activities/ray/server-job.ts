/** The job of a server: the one at work, or the next attempt; submitted once, however many want it at the same time. */
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { UserError } from '../../workflows/errors.js';
import { isStoreError } from '../artifacts/errors.js';
import type { ArtifactStore } from '../artifacts/store.js';
import type { RayCluster } from './clusters.js';
import { packTrainingCode } from './code-package.js';
import { isLive, RayJobsApi, RayUnreachable } from './jobs-api.js';
import { pythonJob } from './python-job.js';
import { serverKeyOf, serverRecords, type ServerOwner, type ServingSpec } from './serving-spec.js';

const recordSchema = z.object({
  address: z.string(),
  submissionId: z.string(),
  attempt: z.int().positive(),
  /** Its cluster has taken it; false: it may be that nobody came to submit it. */
  submitted: z.boolean(),
});
type JobRecord = z.infer<typeof recordSchema>;
export type ServerJob = Omit<JobRecord, 'submitted'>;

export interface ServerJobOptions {
  serverKey: string;
  spec: (attempt: number) => ServingSpec;
  /** Tried in this order. */
  clusters: readonly RayCluster[];
  cpus: number;
  metadata: Record<string, string>;
  /** How long clusters that do not answer are asked. */
  patienceMs: number;
  /** Whether the attempt serves, seen without its cluster. */
  serves: (attempt: number) => Promise<boolean>;
  signal: AbortSignal;
}

/** The newest job of a server as its record says, whether or not it is alive. */
export async function lastServerJob(
  store: ArtifactStore,
  serverKey: string,
): Promise<{ record: JobRecord; etag: string } | undefined> {
  const found = await store.getJson(serverRecords(serverKey).job);
  const parsed = recordSchema.safeParse(found?.value);
  return found && parsed.success ? { record: parsed.data, etag: found.etag } : undefined;
}

/**
 * Attach to the job at work, or submit the next attempt. The record moves by compare-and-swap: of several that find no
 * server one decides the attempt, and the others take that.
 * @throws UserError `RayUnreachable`, `RayRefused`, `RaySettings`, `RayCredentials`.
 */
export async function serverJob(
  store: ArtifactStore,
  options: ServerJobOptions,
): Promise<{ api: RayJobsApi; job: ServerJob }> {
  const { serverKey, signal } = options;
  const records = serverRecords(serverKey);
  for (;;) {
    signal.throwIfAborted();
    const standing = await lastServerJob(store, serverKey);
    const api = standing && (await attach(store, options, standing));
    if (standing && api) return { api, job: standing.record };
    // Whoever still uses an attempt that is given up must not keep its GPUs.
    if (standing)
      await store.putJson(records.stop(standing.record.attempt), { at: new Date().toISOString() });
    const cluster = await clusterThatAnswers(options);
    const attempt = (standing?.record.attempt ?? 0) + 1;
    const submissionId = `rmr1-serve-${serverKey.slice(0, 20)}-${attempt}`;
    await store.putJson(records.spec(attempt), options.spec(attempt));
    await swap(
      store,
      records.job,
      { address: cluster.address, submissionId, attempt, submitted: false },
      standing?.etag,
    );
  }
}

/**
 * Ask the owner's server to finish what it was asked and end. By a record alone: whoever releases it need not reach the
 * cluster, and a job that does not look for it ends with its lease.
 */
export async function releaseServer(store: ArtifactStore, owner: ServerOwner): Promise<void> {
  const serverKey = serverKeyOf(owner);
  const standing = await lastServerJob(store, serverKey);
  if (!standing) return;
  const stop = serverRecords(serverKey).stop(standing.record.attempt);
  await store.putJson(stop, { at: new Date().toISOString() });
}

/** The cluster's API where the job is at work; undefined where it is not and will not be. */
async function attach(
  store: ArtifactStore,
  options: ServerJobOptions,
  { record, etag }: { record: JobRecord; etag: string },
): Promise<RayJobsApi | undefined> {
  const cluster = options.clusters.find(({ address }) => address === record.address);
  if (!cluster) return undefined;
  const api = new RayJobsApi(cluster);
  const records = serverRecords(options.serverKey);
  const until = Date.now() + options.patienceMs;
  for (;;) {
    try {
      const job = await api.find(record.submissionId);
      const stopping = await store.getJson(records.stop(record.attempt));
      if (isLive(job) && !stopping) return api;
      // It is about to end, or hangs: it is not the one to wait for.
      if (isLive(job)) await api.stop(record.submissionId);
      if (job || record.submitted || stopping) return undefined;
      await submit(api, record, options);
      await swap(store, records.job, { ...record, submitted: true }, etag);
      // Whether it lives is for whoever follows it: a job that has ended by now counts as one that was begun.
      return api;
    } catch (error) {
      if (!(error instanceof RayUnreachable)) throw error;
      // The head may be away while the server serves on.
      if (await options.serves(record.attempt)) return api;
      if (Date.now() > until) return undefined;
      await delay(1000, undefined, { signal: options.signal });
    }
  }
}

async function submit(
  api: RayJobsApi,
  { submissionId, attempt }: JobRecord,
  { serverKey, spec, cpus, metadata }: ServerJobOptions,
): Promise<void> {
  const code = await packTrainingCode();
  await api.ensurePackage(code.name, code.zip);
  await api.submit(
    pythonJob(code, {
      submissionId,
      entrypoint: 'python -m rmr1_ray.serve',
      environment: { RMR1_SPEC: serverRecords(serverKey).spec(attempt) },
      metadata,
      cpus,
      gpus: spec(attempt).gpus,
    }),
  );
}

async function clusterThatAnswers({ clusters, patienceMs, signal }: ServerJobOptions): Promise<RayCluster> {
  const until = Date.now() + patienceMs;
  for (;;) {
    const failures: string[] = [];
    for (const cluster of clusters) {
      try {
        await new RayJobsApi(cluster).find('rmr1-is-anybody-there');
        return cluster;
      } catch (error) {
        if (!(error instanceof RayUnreachable)) throw error;
        failures.push(error.message);
      }
    }
    if (Date.now() > until)
      throw new UserError(
        'RayUnreachable',
        `No server for the judge can be started, ${failures.join('; ')}. Start the cluster, or correct RMR1_RAY_ADDRESS where the training worker runs.`,
      );
    await delay(1000, undefined, { signal });
  }
}

/** Write the record, unless somebody else was faster. */
async function swap(
  store: ArtifactStore,
  key: string,
  value: JobRecord,
  etag: string | undefined,
): Promise<void> {
  try {
    await store.putJson(key, value, etag === undefined ? { ifNoneMatch: true } : { ifMatch: etag });
  } catch (error) {
    if (!isStoreError(error, 'PreconditionFailed')) throw error;
  }
}
