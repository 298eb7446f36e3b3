/** The Jobs API of a Ray cluster over REST, as Ray 2.60 answers: the few calls that supervising a job takes. */
import { z } from 'zod';
import { UserError } from '../../workflows/errors.js';
import type { RayCluster } from './clusters.js';
import { httpCall } from './http-call.js';

/** A dashboard that takes longer for one answer counts as away. */
const CALL_TIMEOUT_MS = 30_000;
const UPLOAD_TIMEOUT_MS = 120_000;

const LIVE_STATUSES = ['PENDING', 'RUNNING'] as const;

/** What Ray knows of a job; fields that nobody reads here are left out. */
const jobSchema = z.object({
  submission_id: z.string().nullish(),
  status: z.enum([...LIVE_STATUSES, 'STOPPED', 'SUCCEEDED', 'FAILED']),
  message: z.string().nullish(),
  error_type: z.string().nullish(),
  driver_exit_code: z.int().nullish(),
});
export type RayJob = z.infer<typeof jobSchema>;

/** Whether a job waits or runs; false where it has ended or the cluster does not know it. */
export function isLive(job: RayJob | undefined): boolean {
  return LIVE_STATUSES.some((live) => live === job?.status);
}

/** What is asked of Ray when a job is submitted. */
export interface JobRequest {
  submissionId: string;
  entrypoint: string;
  /** `gcs://_ray_pkg_….zip`, see `PUT /api/packages`. */
  workingDir: string;
  environment: Record<string, string>;
  metadata: Record<string, string>;
  cpus: number;
  gpus: number;
}

/** Resources that the cluster's live nodes have together. */
export interface ClusterResources {
  cpus: number;
  gpus: number;
  nodes: number;
}

/** The cluster did not answer, or not as itself: a job on it may be alive all the same. */
export class RayUnreachable extends Error {
  constructor(address: string, reason: string) {
    super(`the Ray cluster at ${address} does not answer: ${reason}`);
    this.name = 'RayUnreachable';
  }
}

interface Answer {
  status: number;
  text: string;
}

export class RayJobsApi {
  constructor(readonly cluster: RayCluster) {}

  /** A job by its submission id; undefined where the cluster does not know it (404). */
  async find(submissionId: string): Promise<RayJob | undefined> {
    const answer = await this.call('GET', `/api/jobs/${submissionId}`);
    if (answer.status === 404) return undefined;
    return this.parsed(jobSchema, this.expected(answer, 'its job'));
  }

  /**
   * Submit a job. Whoever asks second for the same submission id is told `exists`, and the job runs once.
   * @throws UserError `RayRefused` where the cluster does not take it.
   */
  async submit(request: JobRequest): Promise<'submitted' | 'exists'> {
    const body = JSON.stringify({
      entrypoint: request.entrypoint,
      submission_id: request.submissionId,
      runtime_env: { working_dir: request.workingDir, env_vars: request.environment },
      metadata: request.metadata,
      entrypoint_num_cpus: request.cpus,
      ...(request.gpus > 0 ? { entrypoint_num_gpus: request.gpus } : {}),
    });
    const answer = await this.call('POST', '/api/jobs/', body);
    if (answer.status === 200) return 'submitted';
    // Ray says so with 500; 4xx in later versions.
    if (/already exists|already submitted/i.test(answer.text)) return 'exists';
    this.expected(answer, 'the job');
    return 'submitted';
  }

  /** The whole log of a job; undefined where the cluster does not know the job. */
  async log(submissionId: string): Promise<string | undefined> {
    const answer = await this.call('GET', `/api/jobs/${submissionId}/logs`);
    if (answer.status === 404) return undefined;
    return this.parsed(z.object({ logs: z.string().nullable() }), this.expected(answer, 'a log')).logs ?? '';
  }

  /** Ask for the end of a job: TERM, and KILL a few seconds later. A job that has ended, or is not known, stays so. */
  async stop(submissionId: string): Promise<void> {
    await this.call('POST', `/api/jobs/${submissionId}/stop`);
  }

  /** Make the cluster have a package; nothing is sent where it has it. */
  async ensurePackage(name: string, zip: Uint8Array): Promise<void> {
    const path = `/api/packages/gcs/${name}`;
    if ((await this.call('GET', path)).status === 200) return;
    this.expected(await this.call('PUT', path, zip, UPLOAD_TIMEOUT_MS), 'the package of the training code');
  }

  /** What the cluster has now; undefined where its dashboard does not tell. */
  async resources(): Promise<ClusterResources | undefined> {
    const answer = await this.call('GET', '/nodes?view=summary');
    const parsed = answer.status === 200 ? nodesSchema.safeParse(json(answer.text)) : undefined;
    if (!parsed?.success) return undefined;
    const alive = parsed.data.data.summary.filter(({ raylet }) => raylet.state === 'ALIVE');
    const sum = (name: string) =>
      alive.reduce((total, { raylet }) => total + (raylet.resourcesTotal?.[name] ?? 0), 0);
    return { cpus: sum('CPU'), gpus: sum('GPU'), nodes: alive.length };
  }

  private async call(
    method: string,
    path: string,
    body?: string | Uint8Array,
    timeout = CALL_TIMEOUT_MS,
  ): Promise<Answer> {
    const { address, token } = this.cluster;
    try {
      return await httpCall(address + path, {
        method,
        headers: {
          ...(typeof body === 'string' ? { 'content-type': 'application/json' } : {}),
          ...(token ? { authorization: `Bearer ${token}` } : {}),
        },
        body,
        timeoutMs: timeout,
      });
    } catch (error) {
      throw new RayUnreachable(address, causeOf(error));
    }
  }

  /** The text of a good answer. A gateway's own answers, and a head that is only starting, count as away. */
  private expected({ status, text }: Answer, what: string): string {
    const { address } = this.cluster;
    if (status === 200) return text;
    if (status === 401 || status === 403)
      throw new UserError(
        'RayCredentials',
        `The Ray cluster at ${address} refuses the worker's token (${status}): set RMR1_RAY_TOKEN where the training worker runs.`,
      );
    if (status === 404)
      throw new UserError(
        'RaySettings',
        `${address} does not serve Ray's Jobs API (404): set RMR1_RAY_ADDRESS to the cluster's dashboard, usually port 8265.`,
      );
    if (status >= 502 && status <= 504) throw new RayUnreachable(address, `status ${status}`);
    throw new UserError(
      'RayRefused',
      `The Ray cluster at ${address} refuses ${what} (${status}): ${lastLine(text)}`,
    );
  }

  private parsed<T>(schema: z.ZodType<T>, text: string): T {
    const parsed = schema.safeParse(json(text));
    if (parsed.success) return parsed.data;
    throw new UserError(
      'RaySettings',
      `What answers at ${this.cluster.address} is not Ray's Jobs API: set RMR1_RAY_ADDRESS to the cluster's dashboard, usually port 8265.`,
    );
  }
}

const nodesSchema = z.object({
  data: z.object({
    summary: z.array(
      z.object({
        raylet: z.object({
          state: z.string().optional(),
          resourcesTotal: z.record(z.string(), z.number()).optional(),
        }),
      }),
    ),
  }),
});

function json(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Of a Python traceback the last line says what happened. */
function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.slice(0, 500) ?? '';
}

function causeOf(error: unknown): string {
  const { message, code } = error as Error & { code?: string };
  return code ?? message;
}
