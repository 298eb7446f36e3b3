/** Watching one job to its end: its log, its silence, its cluster's absence, and what it left. */
import { setTimeout as delay } from 'node:timers/promises';
import { EXIT } from '../../engine/job.js';
import { UserError } from '../../workflows/errors.js';
import type { TrainingResult } from './training-spec.js';
import type { RayJobsApi } from './jobs-api.js';
import { type RayJob, RayUnreachable } from './jobs-api.js';
import { type JobEvent, LogTail } from './log-tail.js';

/** How long what may last, in ms. */
export interface Deadlines {
  /** Between two looks, at first. */
  poll: number;
  /** Until the cluster has the resources and the job runs. */
  start: number;
  /** From the job's start to its first step: models are fetched and loaded, graphs are compiled. */
  firstStep: number;
  /** Between two signs of life; longer where a step takes long. */
  silence: number;
  /** That the cluster may be away while the job may be alive. */
  away: number;
  /** From asking a job to stop to ending it; longer where a step takes long, at whose end it stores a checkpoint. */
  stop: number;
}

const MINUTE = 60_000;
export const DEADLINES: Deadlines = {
  poll: 1000,
  start: 10 * MINUTE,
  firstStep: 60 * MINUTE,
  silence: 15 * MINUTE,
  away: 10 * MINUTE,
  stop: 5 * MINUTE,
};
/** Silence of so many of the slowest steps so far is no hang. */
const STEPS_OF_SILENCE = 5;
/** A job that was asked to stop ends the step that it is in, and stores what it has. */
const STEPS_TO_STOP = 2;
/** Ray gives the whole log each time: looking at it may take this share of the time. */
const LOOKING_SHARE = 0.2;

export interface Supervision {
  api: RayJobsApi;
  submissionId: string;
  /** What the job left in the store; it decides, whatever the status says. */
  result: () => Promise<TrainingResult | undefined>;
  onEvent: (event: JobEvent) => void;
  /** Aborted: the job is asked to stop (`askToStop`), or left to itself (`leave`). */
  signal: AbortSignal;
  whenAborted: () => 'stop' | 'leave';
  askToStop: () => Promise<void>;
  /** What the job reserves, for the message where the cluster is too small. */
  needs: { cpus: number; gpus: number };
  deadlines?: Deadlines;
}

export type JobEnd =
  | { status: 'done'; result: TrainingResult }
  | { status: 'preempted' }
  /** The worker goes, the job works on. */
  | { status: 'left' };

/**
 * Follow a job until it ends.
 * @throws UserError `TrainerLost`, `TrainerRefused`, `DiskFull`, `Fenced`, `RayTooSmall`.
 */
export async function followJob(supervision: Supervision): Promise<JobEnd> {
  const { api, submissionId, signal, deadlines = DEADLINES } = supervision;
  const tail = new LogTail();
  const watch = new Watch(deadlines);
  let failure: Extract<JobEvent, { type: 'failed' }>['error'] | undefined;
  let stopAskedAt: number | undefined;
  for (;;) {
    if (signal.aborted && stopAskedAt === undefined) {
      if (supervision.whenAborted() === 'leave') return { status: 'left' };
      stopAskedAt = Date.now();
      await supervision.askToStop();
    }
    const began = Date.now();
    try {
      const job = await api.find(submissionId);
      const events = job ? tail.take((await api.log(submissionId)) ?? '') : [];
      watch.seen(job?.status === 'PENDING', events);
      for (const event of events) {
        if (event.type === 'failed') failure = event.error;
        supervision.onEvent(event);
      }
      if (job?.status !== 'PENDING' && job?.status !== 'RUNNING') {
        const result = await supervision.result();
        return conclude(job, result, failure, tail.lastWords, stopAskedAt !== undefined);
      }
      if (stopAskedAt !== undefined && Date.now() - stopAskedAt > watch.timeToStop) {
        await api.stop(submissionId);
        return { status: 'preempted' };
      }
    } catch (error) {
      if (!(error instanceof RayUnreachable)) throw error;
      // The head may be away while the job goes on, and even ends well.
      const result = await supervision.result();
      if (result) return conclude(undefined, result, failure, tail.lastWords, false);
      watch.away();
      if (stopAskedAt !== undefined && Date.now() - stopAskedAt > watch.timeToStop)
        return { status: 'preempted' };
    }
    const late = watch.overdue();
    if (late) await giveUp(supervision, late);
    const pause = Math.max(deadlines.poll, (Date.now() - began) / LOOKING_SHARE);
    await delay(Math.min(pause, 10_000), undefined, stopAskedAt === undefined ? { signal } : {}).catch(
      () => undefined,
    );
  }
}

/** When the job was last heard of, and how long it may be silent. */
class Watch {
  private heard = Date.now();
  private awaySince: number | undefined;
  private pending = true;
  private slowest: number | undefined;

  constructor(private readonly deadlines: Deadlines) {}

  seen(pending: boolean, events: readonly JobEvent[]): void {
    if (events.length > 0 || pending !== this.pending) this.heard = Date.now();
    // Time in which nobody could listen is not the job's silence.
    if (this.awaySince !== undefined) this.heard = Math.max(this.heard, Date.now());
    this.awaySince = undefined;
    this.pending = pending;
    for (const event of events)
      if (event.type === 'progress') this.slowest = Math.max(this.slowest ?? 0, event.metrics.seconds * 1000);
  }

  away(): void {
    this.awaySince ??= Date.now();
  }

  get timeToStop(): number {
    return Math.max(this.deadlines.stop, STEPS_TO_STOP * (this.slowest ?? 0));
  }

  overdue(): 'away' | 'start' | 'silence' | undefined {
    const { away, start, firstStep, silence } = this.deadlines;
    if (this.awaySince !== undefined) return Date.now() - this.awaySince > away ? 'away' : undefined;
    const quiet = Date.now() - this.heard;
    if (this.pending) return quiet > start ? 'start' : undefined;
    const limit = this.slowest === undefined ? firstStep : Math.max(silence, STEPS_OF_SILENCE * this.slowest);
    return quiet > limit ? 'silence' : undefined;
  }
}

/** @throws UserError always. */
async function giveUp(
  { api, submissionId, needs, deadlines = DEADLINES }: Supervision,
  late: 'away' | 'start' | 'silence',
): Promise<never> {
  const { address } = api.cluster;
  if (late === 'away')
    throw new UserError(
      'TrainerLost',
      `The Ray cluster at ${address} has been away for ${minutes(deadlines.away)}. Training resumes from its newest checkpoint.`,
    );
  const has = await api.resources().catch(() => undefined);
  await api.stop(submissionId).catch(() => undefined);
  if (late === 'start') {
    if (has && (has.gpus < needs.gpus || has.cpus < needs.cpus))
      throw new UserError(
        'RayTooSmall',
        `The Ray cluster at ${address} has ${has.gpus} GPUs and ${has.cpus} CPUs, the stage reserves ${needs.gpus} and ${needs.cpus}: add nodes, or lower ray.gpusPerNode or ray.cpusPerNode.`,
      );
    throw new UserError(
      'TrainerLost',
      `Job ${submissionId} waited ${minutes(deadlines.start)} for resources of the Ray cluster at ${address}, which others hold. It is submitted again.`,
    );
  }
  throw new UserError(
    'TrainerLost',
    `Job ${submissionId} was silent for too long and was stopped. Training resumes from its newest checkpoint.`,
  );
}

function conclude(
  job: RayJob | undefined,
  result: TrainingResult | undefined,
  failure: { type: string; message: string } | undefined,
  lastWords: string,
  stopping: boolean,
): JobEnd {
  if (result && result.step >= result.totalSteps) return { status: 'done', result };
  if (job?.driver_exit_code === EXIT.preempted) return { status: 'preempted' };
  if (stopping) return { status: 'preempted' };
  const said = failure?.message ?? lastWords.trim().split('\n').slice(-3).join(' ');
  const tell = said ? `: ${said}` : '';
  const resumes = 'Training resumes from its newest checkpoint.';
  if (!job)
    throw new UserError(
      'TrainerLost',
      `The Ray cluster does not know the job any more: its head was restarted. ${resumes}`,
    );
  if (failure?.type === 'DiskFull' || failure?.type === 'Fenced' || failure?.type === 'RayTooSmall')
    throw new UserError(failure.type, failure.message);
  if (job.driver_exit_code === EXIT.badJob || job.driver_exit_code === EXIT.badData)
    throw new UserError('TrainerRefused', `The training job cannot work${tell}`);
  if (job.status === 'SUCCEEDED')
    throw new UserError(
      'TrainerLost',
      `Ray says that the job succeeded, but it left ${result ? `step ${result.step} of ${result.totalSteps}` : 'no result'}. ${resumes}`,
    );
  const how =
    job.driver_exit_code == null
      ? (job.message ?? job.error_type ?? '')
      : `exit code ${job.driver_exit_code}`;
  throw new UserError(
    'TrainerLost',
    `The job ended as ${job.status} (${how.slice(0, 500)})${tell}. ${resumes}`,
  );
}

function minutes(ms: number): string {
  return `${Math.round(ms / MINUTE)} minutes`;
}
