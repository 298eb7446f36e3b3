/** A model behind an OpenAI-compatible server on the cluster, held for as long as somebody asks it. */
import { setTimeout as delay } from 'node:timers/promises';
import { EXIT } from '../../engine/job.js';
import { UserError } from '../../workflows/errors.js';
import type { ArtifactStore } from '../artifacts/store.js';
import { clustersFromEnvironment } from './clusters.js';
import { httpCall } from './http-call.js';
import { isLive, type RayJob, type RayJobsApi, RayUnreachable } from './jobs-api.js';
import { LogTail } from './log-tail.js';
import { lastServerJob, serverJob, type ServerJob } from './server-job.js';
import {
  type Late,
  MINUTE,
  SERVER_DEADLINES,
  type ServerDeadlines,
  type ServerEndpoint,
  ServerWatch,
  type Sight,
} from './server-watch.js';
import {
  serverAddressSchema,
  serverKeyOf,
  serverRecords,
  servedName,
  type ServerOwner,
  type ServingSpec,
} from './serving-spec.js';

/** What is to be served, and for whom. */
export interface ServerWish extends ServerOwner, Pick<ServingSpec, 'gpus' | 'precision' | 'maxModelLen'> {
  cpus: number;
  /** The workflow that asks, for people who look at the cluster's dashboard. */
  workflowId: string;
}

const RENEWALS_A_LEASE = 10;
const HEALTH_TIMEOUT_MS = 5000;
/** So many attempts in a row that never served are no bad luck. */
const MOST_FRUITLESS = 3;

/** Where questions go; the server behind it may be another one from one question to the next. */
export interface Served {
  /** The model's name in requests. */
  readonly name: string;
  /**
   * Where it answers, once it does.
   * @throws UserError where it will not: `JudgeServerFailed`, `RayTooSmall`, `RayUnreachable`, …; the signal's reason.
   */
  endpoint(signal: AbortSignal): Promise<ServerEndpoint>;
  /** It did not answer: whoever asks next waits until it is well, or for its successor. */
  doubt(endpoint: ServerEndpoint): void;
  /** Renew the lease no more. The server stays, for whoever comes next within the lease. */
  close(): Promise<void>;
}

/** How one attempt ended. */
interface AttemptEnd {
  served: boolean;
  /** No other attempt will do better. */
  refused: boolean;
  reason: string;
  /** Somebody let it end, and nobody has begun another one. */
  released?: boolean;
}

export class JudgeServer implements Served {
  readonly name: string;
  private readonly records: ReturnType<typeof serverRecords>;
  private readonly key: string;
  private readonly closing = new AbortController();
  private readonly running: Promise<void>;
  private current: ServerEndpoint | undefined;
  private failure: Error | undefined;
  private waiting: (() => void)[] = [];
  private nudge: () => void = () => undefined;

  private constructor(
    private readonly store: ArtifactStore,
    private readonly wish: ServerWish,
    private readonly deadlines: ServerDeadlines,
  ) {
    this.name = servedName(wish.model);
    this.key = serverKeyOf(wish);
    this.records = serverRecords(this.key);
    this.running = this.supervise().catch((error: unknown) => {
      if (!this.closing.signal.aborted) this.failure = error as Error;
      this.settle();
    });
  }

  /** Attach to the owner's server, or start it, and keep one alive until `close`. */
  static hold(
    store: ArtifactStore,
    wish: ServerWish,
    deadlines: ServerDeadlines = SERVER_DEADLINES,
  ): JudgeServer {
    return new JudgeServer(store, wish, deadlines);
  }

  async endpoint(signal: AbortSignal): Promise<ServerEndpoint> {
    for (;;) {
      signal.throwIfAborted();
      if (this.failure) throw this.failure;
      if (this.current) return this.current;
      await new Promise<void>((resolve) => {
        const wake = () => {
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.waiting.push(wake);
        signal.addEventListener('abort', wake, { once: true });
      });
    }
  }

  doubt(endpoint: ServerEndpoint): void {
    if (this.current?.baseUrl !== endpoint.baseUrl || this.current.key !== endpoint.key) return;
    this.current = undefined;
    this.nudge();
  }

  async close(): Promise<void> {
    this.closing.abort();
    this.nudge();
    await this.running;
    this.failure ??= new Error('the server is not held any more');
    this.settle();
  }

  private async supervise(): Promise<void> {
    const { wish, store, deadlines } = this;
    const clusters = clustersFromEnvironment();
    const { cpus, workflowId, stage } = wish;
    for (let fruitless = 0; ;) {
      const { api, job } = await serverJob(store, {
        serverKey: this.key,
        spec: (attempt) => this.spec(attempt),
        clusters,
        cpus,
        metadata: { workflow: workflowId, stage, model: this.name },
        patienceMs: deadlines.away,
        serves: async (attempt) => (await this.look(attempt)).endpoint !== undefined,
        signal: this.closing.signal,
      });
      const end = await this.follow(api, job);
      this.current = undefined;
      if (!end) return;
      // Whoever asks on after that has been given up by its workflow: it must not begin a server that nobody would end.
      if (end.released)
        throw new UserError(
          'JudgeUnreachable',
          "The server of the judge's model was released while it was asked.",
        );
      fruitless = end.served ? 0 : fruitless + 1;
      if (end.refused || fruitless >= MOST_FRUITLESS)
        throw new UserError(
          'JudgeServerFailed',
          `The server of the judge's model does not come up (job ${job.submissionId} on ${job.address}): ${end.reason}. Mend it on the cluster and send \`correct\`; judgements so far are kept.`,
        );
    }
  }

  private spec(attempt: number): ServingSpec {
    const { model, gpus, precision, maxModelLen } = this.wish;
    return {
      format: 'rmr1-serving/1',
      serverKey: this.key,
      attempt,
      model,
      name: this.name,
      gpus,
      precision,
      ...(maxModelLen === undefined ? {} : { maxModelLen }),
      leaseSeconds: this.deadlines.lease / 1000,
      drainSeconds: Math.round(this.deadlines.drain / 1000),
    };
  }

  /** Watch one attempt until it is over; undefined where it is held no more. */
  private async follow(api: RayJobsApi, job: ServerJob): Promise<AttemptEnd | undefined> {
    const watch = new ServerWatch(this.deadlines);
    let renewedAt = -Infinity;
    for (let renewals = 0; ;) {
      if (this.closing.signal.aborted) return undefined;
      if (Date.now() - renewedAt >= this.deadlines.lease / RENEWALS_A_LEASE) {
        await this.store.putJson(this.records.hold(job.attempt), {
          by: this.wish.workflowId,
          at: Date.now(),
          renewals: ++renewals,
        });
        renewedAt = Date.now();
      }
      const seen = await this.look(job.attempt);
      this.offer(seen.endpoint);
      const state = await stateOf(api, job);
      if (state !== 'away' && !isLive(state)) return this.endOf(api, job, state, watch.served);
      watch.saw(seen, state);
      const late = watch.overdue();
      if (late) return await this.giveUp(api, job, late, watch.served);
      await this.pause();
    }
  }

  private async look(attempt: number): Promise<Sight> {
    const record = await this.store.getJson(this.records.address(attempt));
    const { url, key } = serverAddressSchema.safeParse(record?.value).data ?? {};
    if (!url) return { announced: false };
    return {
      announced: true,
      ...((await isHealthy(url)) ? { endpoint: { baseUrl: `${url}/v1`, key } } : {}),
    };
  }

  private offer(found: ServerEndpoint | undefined): void {
    this.current = found;
    if (found) this.settle();
  }

  private settle(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  private async pause(): Promise<void> {
    const woken = new AbortController();
    this.nudge = () => woken.abort();
    await delay(this.deadlines.poll, undefined, { signal: woken.signal }).catch(() => undefined);
  }

  private async endOf(
    api: RayJobsApi,
    { submissionId, attempt }: ServerJob,
    job: RayJob | undefined,
    served: boolean,
  ): Promise<AttemptEnd> {
    if (!job) return { served, refused: false, reason: 'the cluster does not know the job any more' };
    const told = await this.store.getJson(this.records.stop(attempt));
    const released =
      told !== undefined && (await lastServerJob(this.store, this.key))?.record.attempt === attempt;
    const tail = new LogTail();
    const log = await api.log(submissionId).catch(() => undefined);
    const failed = tail.take(log ?? '').findLast((event) => event.type === 'failed');
    const words = tail.lastWords.trim().split('\n').slice(-3).join(' ');
    const code = job.driver_exit_code;
    const reason = [failed?.error.message, words, job.message].filter(Boolean).join(' · ').slice(0, 800);
    return {
      // One that ended as it was told has not failed.
      served: served || code === EXIT.done || code === EXIT.preempted,
      refused: code === EXIT.badJob || code === EXIT.badData,
      reason: reason || `it ended as ${job.status}`,
      released,
    };
  }

  /** @throws UserError `RayTooSmall`. */
  private async giveUp(
    api: RayJobsApi,
    { submissionId, attempt, address }: ServerJob,
    late: Late,
    served: boolean,
  ): Promise<AttemptEnd> {
    if (late === 'away') return { served, refused: false, reason: `the cluster at ${address} stays away` };
    const has = late === 'start' ? await api.resources().catch(() => undefined) : undefined;
    await this.store.putJson(this.records.stop(attempt), { at: new Date().toISOString() });
    await api.stop(submissionId).catch(() => undefined);
    const { gpus, cpus } = this.wish;
    if (has && (has.gpus < gpus || has.cpus < cpus))
      throw new UserError(
        'RayTooSmall',
        `The Ray cluster at ${address} has ${has.gpus} GPUs and ${has.cpus} CPUs, the judge's server reserves ${gpus} and ${cpus}: add nodes, or lower ray.judgeServer.gpus.`,
      );
    if (late === 'unwell')
      return {
        served,
        refused: false,
        reason:
          'its job calls the server healthy, but GET /health is not answered here: the training worker must reach the nodes of the cluster',
      };
    // Others hold what it needs: it is put at the end of their queue.
    if (late === 'start') return { served: true, refused: false, reason: 'no resources' };
    return {
      served,
      refused: false,
      reason: `the server did not answer within ${this.deadlines.firstHealth / MINUTE} minutes`,
    };
  }
}

async function stateOf(api: RayJobsApi, { submissionId }: ServerJob): Promise<RayJob | 'away' | undefined> {
  try {
    return await api.find(submissionId);
  } catch (error) {
    if (error instanceof RayUnreachable) return 'away';
    throw error;
  }
}

async function isHealthy(url: string): Promise<boolean> {
  const call = { method: 'GET', headers: {}, timeoutMs: HEALTH_TIMEOUT_MS };
  return httpCall(`${url}/health`, call).then(
    ({ status }) => status === 200,
    () => false,
  );
}
