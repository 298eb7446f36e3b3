/**
 * Everything about a run that is not the pipeline itself: pause and resume, gates, corrections, figures, search
 * attributes and the text on the Temporal UI's page. The workflows stay as short as the paper's figure because of it.
 */
import {
  ApplicationFailure,
  CancellationScope,
  condition,
  isCancellation,
  ParentClosePolicy,
  patched,
  ChildWorkflowCancellationType,
  setCurrentDetails,
  setHandler,
  startChild,
  upsertMemo,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { ArtifactRef } from '../activities/artifacts/ref.js';
import type { RunPlan } from '../activities/interface.js';
import type { StageContext, StageOutcome, TimedOutcome } from '../activities/stage-outcome.js';
import { planning } from './activities.js';
import { adoptedStages, takesOver, type AdoptedStages } from './adopted-stages.js';
import { renderDetails } from './details.js';
import { policyOf } from './errors.js';
import { Holding } from './holding.js';
import type { PipelineStage, ResolvedRunInput, ResolvedStageInput, StageInput, StageName } from './inputs.js';
import * as messages from './messages.js';
import { rootCause, surfaced } from './root-cause.js';
import { Spending, type SpendingHost } from './spending.js';
import { StageTable } from './stage-table.js';
import { refuseUnless } from './talk.js';

/** Where a stage stands that is run several times; the last one is the stage that the pipeline goes on from. */
export interface Round {
  round: number;
  rounds: number;
}

/** Stages of a pipeline that a cold start does not run. */
const COLD_START_LEAVES_OUT = ['distill', 'sft'] as const;

type ChildStage = 'distill' | 'sft' | 'grpo' | 'evaluate';

export class RunControl implements SpendingHost {
  plan!: RunPlan;
  seed = 0;
  readonly outcomes: TimedOutcome[] = [];
  readonly spending: Spending;
  private input: ResolvedRunInput;
  private readonly supervision: ResolvedStageInput['supervision'];
  private readonly stages: StageTable;
  /** How the run ended; undefined while it has not. */
  private ended: messages.RunState | undefined;
  private atGate = false;
  private current: StageName;
  private readonly holding = new Holding(() => this.show());
  problem: messages.RunProgress['problem'];
  private correction: messages.Correction | undefined;
  private verdictOnGate: 'approved' | 'rejected' | undefined;
  private adopted: AdoptedStages = {};

  private constructor(
    input: ResolvedRunInput & Pick<ResolvedStageInput, 'supervision'>,
    stages: StageName[],
  ) {
    this.input = input;
    this.supervision = input.supervision;
    this.current = stages[0] ?? 'dataset';
    this.stages = new StageTable(stages, () => this.show());
    this.spending = new Spending(this, input.supervision?.onlyStored);
    this.spending.listen();
    this.listen();
  }

  /** Install the message handlers, then resolve and check the recipe; nothing is spent before that. */
  static async begin(
    input: Omit<ResolvedRunInput, 'gates'> &
      Partial<Pick<ResolvedStageInput, 'supervision'>> & { gates?: PipelineStage[] },
    stages: StageName[],
  ): Promise<RunControl> {
    const run = new RunControl({ gates: [], ...input }, stages);
    if (run.supervision) {
      const { recipe, recipeRef, heartbeatSeconds } = run.supervision;
      run.plan = { recipe, recipeRef, heartbeatSeconds };
      run.seed = run.supervision.seed;
    } else {
      try {
        await run.resolve();
        run.adopted = await adoptedStages(run.input);
      } catch (error) {
        throw isCancellation(error) ? error : surfaced(error);
      }
    }
    run.show();
    return run;
  }

  get recipe() {
    return this.plan.recipe;
  }

  get data() {
    return this.input.data;
  }

  get budgetUsd(): number | undefined {
    return this.input.budget?.usd;
  }

  set budgetUsd(usd: number | undefined) {
    if (usd !== undefined) this.input = { ...this.input, budget: { usd } };
  }

  /** The run that this workflow is a stage of. */
  get parent(): string | undefined {
    return this.supervision?.runId;
  }

  get context(): StageContext {
    const { workflowId } = workflowInfo();
    return {
      runId: this.supervision?.runId ?? workflowId,
      startedBy: this.input.startedBy,
      notify: [...new Set([workflowId, ...(this.supervision?.notify ?? [])])],
    };
  }

  /**
   * Run one stage to its end: waits while paused, waits for a correction where a person can mend the failure,
   * waits for approval where a gate follows. `work` is called again after a pause or a correction.
   */
  async stage(name: StageName, work: () => Promise<StageOutcome>, at?: Round): Promise<TimedOutcome> {
    const began = Date.now();
    for (;;) {
      await this.holding.whileHeld();
      this.enter(name);
      try {
        const outcome = this.adopted[name] ?? (await this.holding.interruptible(work));
        const wallSeconds = (Date.now() - began) / 1000;
        const timed = { ...outcome, wallSeconds, ...(at ? { round: at.round } : {}) };
        this.finish(timed);
        if (!at || at.round === at.rounds) await this.gate(name);
        return timed;
      } catch (error) {
        if (CancellationScope.current().consideredCancelled) throw error;
        if (isCancellation(error) && this.holding.interrupted) continue;
        const { type, message } = rootCause(error);
        this.stages.update(name, { state: 'failed', problem: message });
        // A task that leaves no event is replayed as one with the next, whose update then comes before this failure.
        if (this.holding.held) patched('failed-while-held');
        if (type === 'Rejected' || this.supervision || policyOf(type).then === 'fail') throw surfaced(error);
        await this.awaitCorrection(name, type, message);
      }
    }
  }

  /** Run one stage as a child workflow with a history of its own; it holds and goes on with this run. */
  child(name: ChildStage, artifacts: Record<string, ArtifactRef>, at?: Round): Promise<TimedOutcome> {
    const { workflowId } = workflowInfo();
    const isLast = !at || at.round === at.rounds;
    const childId = `${workflowId}/${name}${isLast ? '' : `-round-${at.round}`}`;
    if (at) this.beginRound(name, at);
    const work = async () => {
      this.stages.update(name, { workflowId: childId });
      return this.holding.whileChildRuns(childId, async (started) => {
        const child = await startChild(name, {
          workflowId: childId,
          args: [this.inputOfChild(artifacts)],
          parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
          cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
          staticSummary: `${name} of ${workflowId}`,
        });
        started();
        return (await child.result()) as StageOutcome;
      });
    };
    return this.stage(name, work, at);
  }

  private inputOfChild(artifacts: Record<string, ArtifactRef>): StageInput {
    return {
      recipe: this.input.recipe,
      startedBy: this.input.startedBy,
      artifacts,
      ...(this.input.budget ? { budget: this.input.budget } : {}),
      supervision: {
        runId: this.context.runId,
        recipe: this.recipe,
        recipeRef: this.plan.recipeRef,
        heartbeatSeconds: this.plan.heartbeatSeconds,
        seed: this.seed,
        notify: this.context.notify,
        ...(this.spending.onlyStored ? { onlyStored: true } : {}),
      },
    };
  }

  /** Show that a stage is about to be run for the n-th time. */
  beginRound(name: StageName, { round, rounds }: Round): void {
    this.stages.beginRound(name, round, rounds);
  }

  /** Whether a stage was taken over from another run, or given. */
  hasAdopted(name: StageName): boolean {
    return this.adopted[name] !== undefined;
  }

  /** After a preempted activity: go on at once, or leave the stage because the run is held or cancelled. */
  yieldIfInterrupted(): Promise<void> {
    return this.holding.whileHeld('The stage was interrupted.');
  }

  get runningChild(): string | undefined {
    return this.holding.runningChild;
  }

  /** Seconds without a heartbeat after which a training worker counts as lost. */
  get heartbeatSeconds(): number {
    return this.plan.heartbeatSeconds;
  }

  /** Record figures that the workflow itself knows, for example after a shard. */
  report(name: StageName, figures: messages.StageFigures): void {
    this.stages.update(name, { figures: { ...this.stages.of(name).figures, ...figures } });
  }

  /** The last state, shown on the page of the finished workflow. */
  end(state: messages.RunState, accuracy?: number): void {
    this.ended = state;
    if (accuracy !== undefined) upsertSearchAttributes({ Accuracy: [accuracy] });
    this.show();
  }

  /** What holds the run back, if anything: a pause comes first, and what it interrupted comes back after it. */
  get state(): messages.RunState {
    if (this.ended) return this.ended;
    if (this.holding.held) return 'paused';
    if (this.problem) return 'awaiting-correction';
    return this.atGate ? 'awaiting-approval' : 'running';
  }

  progress(): messages.RunProgress {
    return {
      workflowId: workflowInfo().workflowId,
      recipe: this.input.recipe,
      state: this.state,
      stage: this.current,
      stages: this.stages.all,
      ...(this.problem ? { problem: this.problem } : {}),
      costUsd: this.costUsd,
    };
  }

  get costUsd(): number {
    return this.outcomes.reduce((sum, outcome) => sum + (outcome.reused ? 0 : outcome.cost.usd), 0);
  }

  private async resolve(): Promise<void> {
    const asks = this.stages.all.some(({ name }) => name === 'distill') && !takesOver(this.input, 'distill');
    this.plan = await planning.planRun({ ...this.input, ...(asks ? {} : { asksNoOracle: true }) });
    this.seed = this.input.seed ?? this.plan.recipe.seed;
    if (this.plan.recipe.coldStart) this.stages.leaveOut(COLD_START_LEAVES_OUT);
    upsertMemo({ recipe: this.plan.recipe, seed: this.seed });
  }

  private async gate(name: StageName): Promise<void> {
    if (!(this.input.gates as readonly StageName[]).includes(name)) return;
    this.verdictOnGate = undefined;
    this.atGate = true;
    this.show();
    await condition(() => this.verdictOnGate !== undefined);
    if (this.gateVerdict() === 'rejected') {
      throw ApplicationFailure.nonRetryable(`The run was rejected after stage '${name}'.`, 'Rejected');
    }
    this.atGate = false;
    this.show();
  }

  /** Read through a method: the compiler cannot know that a handler set the field while `condition` waited. */
  private gateVerdict(): 'approved' | 'rejected' | undefined {
    return this.verdictOnGate;
  }

  private takeCorrection(): messages.Correction {
    return this.correction ?? {};
  }

  private async awaitCorrection(stage: StageName, type: string, message: string): Promise<void> {
    this.problem = { stage, type, message };
    for (;;) {
      this.correction = undefined;
      this.show();
      await condition(() => this.correction !== undefined);
      const { overrides, data, budgetUsd } = this.takeCorrection();
      const corrected: ResolvedRunInput = {
        ...this.input,
        overrides: { ...this.input.overrides, ...overrides },
        ...(data === undefined ? {} : { data }),
        ...(budgetUsd === undefined ? {} : { budget: { usd: budgetUsd } }),
      };
      const before = this.input;
      try {
        this.input = corrected;
        await this.resolve();
        if (budgetUsd !== undefined) this.spending.onlyStored = false;
        break;
      } catch (error) {
        if (isCancellation(error)) throw error;
        this.input = before;
        const cause = rootCause(error);
        this.problem = { stage, type: cause.type, message: cause.message };
      }
    }
    this.problem = undefined;
    this.stages.update(stage, { state: 'running', problem: undefined });
  }

  private enter(name: StageName): void {
    this.current = name;
    const startedAt = this.stages.of(name).startedAt ?? new Date().toISOString();
    this.stages.update(name, { state: 'running', startedAt });
    upsertSearchAttributes({ Stage: [name] });
  }

  private finish(outcome: TimedOutcome): void {
    this.outcomes.push(outcome);
    this.stages.finish(this.outcomes.filter(({ stage }) => stage === outcome.stage));
    upsertSearchAttributes({ SpendUsd: [this.costUsd] });
  }

  private shownState: messages.RunState | undefined;
  show(): void {
    const { known } = this.spending;
    setCurrentDetails(renderDetails(this.progress(), known ? this.spending.report() : undefined));
    if (this.shownState === this.state) return;
    this.shownState = this.state;
    upsertSearchAttributes({ RunState: [this.state], Recipe: [this.input.recipe] });
  }

  private hold(held: boolean): messages.RunState {
    this.holding.hold(held);
    return this.state;
  }

  private listen(): void {
    setHandler(messages.progressQuery, () => this.progress());
    setHandler(messages.lineageQuery, () => ({
      workflowId: workflowInfo().workflowId,
      ...(this.plan ? { recipe: this.plan.recipeRef } : {}),
      stages: this.outcomes.map(({ stage, key, outputs, parents }) => ({ stage, key, outputs, parents })),
    }));
    setHandler(messages.stageFiguresSignal, ({ stage, figures }) => {
      this.report(stage, figures);
      upsertSearchAttributes({ Step: [figures.step] });
    });
    setHandler(messages.holdSignal, (held, order) => this.holding.obey(held, order));
    setHandler(messages.pauseUpdate, (_options) => this.hold(true), {
      validator: (_options) =>
        refuseUnless(!this.holding.held, 'The run is paused already; send `resume` to go on.'),
    });
    setHandler(messages.resumeUpdate, () => this.hold(false), {
      validator: () => refuseUnless(this.holding.held, 'The run is not paused.'),
    });
    const atGate = () => refuseUnless(this.atGate, 'No gate is waiting for approval.');
    setHandler(messages.approveUpdate, (_options) => this.decide('approved'), {
      validator: (_options) => atGate(),
    });
    setHandler(messages.rejectUpdate, (_options) => this.decide('rejected'), {
      validator: (_options) => atGate(),
    });
    setHandler(messages.correctUpdate, (correction) => this.correct(correction), {
      validator: (_correction) =>
        refuseUnless(this.problem !== undefined, 'The run is not waiting for a correction.'),
    });
  }

  private decide(verdict: 'approved' | 'rejected'): messages.RunState {
    this.verdictOnGate = verdict;
    return this.state;
  }

  correct(correction: messages.Correction = {}): messages.RunState {
    this.correction = correction;
    return this.state;
  }
}
