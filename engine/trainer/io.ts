/** What a job needs of the process it runs in. */
import type { EngineEvent } from '../job.js';
import type { TrainerTrace } from '../trace/trainer-trace.js';

export interface EngineIo {
  /** Tell the supervisor. */
  emit(event: EngineEvent): void;
  /** True once a stop was asked for; the job then saves a checkpoint and returns `preempted`. */
  readonly stopRequested: boolean;
  /** Let messages and signals be handled; called between runs of the math library, which block the thread. */
  breathe(): Promise<void>;
  /** Spans of the job, where somebody traces it. */
  readonly trace?: TrainerTrace | undefined;
}

/** How a job ended; errors are thrown. */
export type JobEnd = 'done' | 'preempted';
