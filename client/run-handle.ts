/** One run: ask how it goes, steer it, wait for its result. */
import type { Client, WorkflowExecutionStatusName, WorkflowHandle } from '@temporalio/client';
import type { StageName } from '../workflows/inputs.js';
import type { LedgerReport } from '../workflows/ledger.js';
import {
  approveUpdate,
  continueWithWhatIsThereUpdate,
  correctUpdate,
  ledgerQuery,
  lineageQuery,
  pauseUpdate,
  progressQuery,
  raiseBudgetUpdate,
  rejectUpdate,
  resumeUpdate,
  stopUpdate,
  type Correction,
  type RunLineage,
  type RunProgress,
  type RunResult,
  type RunState,
} from '../workflows/messages.js';
import type { trainRewardModel } from '../workflows/train-reward-model.js';
import { describeStage } from './live-figures.js';
import { translateTemporalError, type TemporalPlace } from './temporal-errors.js';
import { watchRun, type WatchOptions } from './watch.js';

/** Longest wait for a worker's answer to a query or update. */
const ANSWER_MS = 20_000;

/** How an execution stands on the server, whether or not a worker is there. */
export interface RunStatus {
  workflowId: string;
  status: WorkflowExecutionStatusName;
  startedAt: Date;
  closedAt?: Date;
  memo: Record<string, unknown>;
}

/** One run. What asks a worker throws ClientError `WorkerMissing` where none answers, `TemporalUnreachable` without a server. */
export class RunHandle {
  private readonly handle: WorkflowHandle<typeof trainRewardModel>;

  /** @internal */
  constructor(
    private readonly client: Client,
    private readonly place: TemporalPlace & { workflowId: string },
    /** Page of the run in the Temporal UI, where the address of a UI is known. */
    readonly uiUrl?: string,
  ) {
    this.handle = client.workflow.getHandle(place.workflowId);
  }

  get workflowId(): string {
    return this.place.workflowId;
  }

  /** State, stages and figures, the newest of workflow and heartbeats; why a stage stands still, where it does. */
  async progress(): Promise<RunProgress> {
    const progress = await this.answered(() => this.handle.query(progressQuery));
    if (progress.state !== 'running') return progress;
    const current = progress.stages.find(({ name }) => name === progress.stage);
    const converter = this.client.options.loadedDataConverter;
    const running = this.client.workflow.getHandle(current?.workflowId ?? this.workflowId);
    return describeStage(progress, running, converter);
  }

  /** Every artefact of the run with the artefacts it was made from. */
  lineage(): Promise<RunLineage> {
    return this.answered(() => this.handle.query(lineageQuery));
  }

  /** Hold the run: the trainer saves a checkpoint and stops. */
  pause(reason?: string): Promise<RunState> {
    return this.answered(() =>
      this.handle.executeUpdate(pauseUpdate, { args: [reason ? { reason } : undefined] }),
    );
  }

  /** Go on from the last checkpoint. */
  resume(): Promise<RunState> {
    return this.answered(() => this.handle.executeUpdate(resumeUpdate));
  }

  /** Benchmark evaluations: score what is judged and end. */
  stop(): Promise<RunState> {
    return this.answered(() => this.handle.executeUpdate(stopUpdate));
  }

  /** Let the run pass the gate it waits at. */
  approve(approval: { stage?: StageName; by?: string } = {}): Promise<RunState> {
    return this.answered(() => this.handle.executeUpdate(approveUpdate, { args: [approval] }));
  }

  /** End the run at the gate it waits at. */
  reject(rejection: { stage?: StageName; reason?: string } = {}): Promise<RunState> {
    return this.answered(() => this.handle.executeUpdate(rejectUpdate, { args: [rejection] }));
  }

  /** Mend what a waiting run stumbled over, or with `{}` just try again. */
  correct(correction: Correction = {}): Promise<RunState> {
    return this.answered(() => this.handle.executeUpdate(correctUpdate, { args: [correction] }));
  }

  /** A higher hard cap on oracle spending, whether or not the present one is reached. */
  raiseBudget(usd: number): Promise<RunState> {
    return this.answered(() => this.handle.executeUpdate(raiseBudgetUpdate, { args: [{ usd }] }));
  }

  /** At the cap: ask the oracle nothing more, train on what is paid for. */
  continueWithWhatIsThere(): Promise<RunState> {
    return this.answered(() => this.handle.executeUpdate(continueWithWhatIsThereUpdate));
  }

  /** What was spent on oracles; while a stage works, its own newest figures. */
  async ledger(): Promise<LedgerReport> {
    const { stage, stages } = await this.answered(() => this.handle.query(progressQuery));
    const working = stages.find(({ name, state }) => name === stage && state === 'running')?.workflowId;
    const source = stage === 'distill' && working ? this.client.workflow.getHandle(working) : this.handle;
    return this.answered(() => source.query(ledgerQuery));
  }

  /** Ask the run to stop after a last checkpoint; {@link result} then ends with `RunCancelled`. */
  async cancel(): Promise<void> {
    await this.reached(() => this.handle.cancel());
  }

  /** End the run at once, without a checkpoint. */
  async terminate(reason: string): Promise<void> {
    await this.reached(() => this.handle.terminate(reason));
  }

  /** Wait for the end. @throws ClientError with the type of the failure that ended the run. */
  async result(): Promise<RunResult> {
    try {
      return await this.handle.result();
    } catch (error) {
      throw translateTemporalError(error, this.place);
    }
  }

  /** Where the server sees the run; answers without a worker. */
  async status(): Promise<RunStatus> {
    const { status, startTime, closeTime, memo } = await this.reached(() => this.handle.describe());
    return {
      workflowId: this.workflowId,
      status: status.name,
      startedAt: startTime,
      ...(closeTime ? { closedAt: closeTime } : {}),
      memo: memo ?? {},
    };
  }

  /**
   * Progress whenever it changes, until the run has ended. Rides out restarts of workers and server;
   * throws once neither has answered for `patienceMs`.
   */
  watch(options?: WatchOptions): AsyncIterable<RunProgress> {
    return watchRun(this, options);
  }

  /** Call that only the server answers. */
  private async reached<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await this.client.connection.withDeadline(Date.now() + ANSWER_MS, call);
    } catch (error) {
      throw translateTemporalError(error, { ...this.place, taskQueue: undefined });
    }
  }

  /** Call that a worker answers. */
  private async answered<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await this.client.connection.withDeadline(Date.now() + ANSWER_MS, call);
    } catch (error) {
      throw translateTemporalError(error, this.place);
    }
  }
}
