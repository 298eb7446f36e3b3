/** What people can ask of a benchmark evaluation and do to it: progress, pause, stop early, try again. */
import {
  CancellationScope,
  CancelledFailure,
  condition,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import type { ArtifactRef } from '../activities/artifacts/ref.js';
import type { StageOutcome } from '../activities/stage-outcome.js';
import { describeFigures } from './details.js';
import { policyOf } from './errors.js';
import * as messages from './messages.js';
import { rootCause, surfaced } from './root-cause.js';
import { refuseUnless } from './talk.js';

/** Interim figures by section: judgements and the sum of their outcomes. */
export type SectionTally = Record<string, { count: number; right: number }>;

export class BenchmarkControl {
  /** How the evaluation ended; undefined while it has not. */
  private ended: messages.RunState | undefined;
  private shownState: messages.RunState = 'running';
  private held = false;
  private stopping = false;
  private tryAgain = false;
  private problem: messages.RunProgress['problem'];
  private figures: messages.StageFigures | undefined;
  private scope: CancellationScope | undefined;
  private outputs: Record<string, ArtifactRef> | undefined;
  private metrics: Record<string, number> | undefined;
  private costUsd = 0;
  private sections: SectionTally = {};

  constructor(private readonly title: string) {
    setHandler(messages.progressQuery, () => this.progress());
    setHandler(messages.stageFiguresSignal, ({ figures }) => {
      this.figures = figures;
      this.show();
    });
    setHandler(messages.pauseUpdate, (_options) => this.hold(true), {
      validator: (_options) => refuseUnless(!this.held, 'The run is paused already; send `resume` to go on.'),
    });
    setHandler(messages.resumeUpdate, () => this.hold(false), {
      validator: () => refuseUnless(this.held, 'The run is not paused.'),
    });
    setHandler(messages.stopUpdate, () => this.stop());
    setHandler(messages.correctUpdate, (_correction) => this.retry(), {
      validator: (_correction) =>
        refuseUnless(this.problem !== undefined, 'The run is not waiting for a correction.'),
    });
    upsertSearchAttributes({ Stage: ['evaluate'], RunState: ['running'], Recipe: [title] });
    this.show();
  }

  /** What holds the evaluation back, if anything: a pause comes first, and what it interrupted comes back after it. */
  private get state(): messages.RunState {
    if (this.ended) return this.ended;
    if (this.held) return 'paused';
    return this.problem ? 'awaiting-correction' : 'running';
  }

  /** Whether somebody, or the interval, has asked to score what is there. */
  get stopped(): boolean {
    return this.stopping;
  }

  /** Leave the running shard with what it has. */
  stop(): messages.RunState {
    this.stopping = true;
    this.scope?.cancel();
    return this.state;
  }

  /**
   * Run `work` to its end: again after a pause, and after a failure that a person can mend. Undefined where a stop was
   * asked for while it failed.
   */
  async run<T>(work: () => Promise<T>): Promise<T | undefined> {
    for (;;) {
      if (CancellationScope.current().consideredCancelled)
        throw new CancelledFailure('The evaluation was cancelled.');
      if (this.held && !this.stopping) await condition(() => !this.held || this.stopping);
      const scope = (this.scope = new CancellationScope());
      try {
        return await scope.run(work);
      } catch (error) {
        if (CancellationScope.current().consideredCancelled) throw error;
        if (this.stopping) return undefined;
        if (scope.consideredCancelled) continue;
        await this.awaitCorrection(error);
        if (this.stopRequested()) return undefined;
      } finally {
        this.scope = undefined;
      }
    }
  }

  /** Figures after a shard. */
  report(figures: messages.StageFigures, sections: SectionTally): void {
    this.figures = { ...this.figures, ...figures };
    this.sections = sections;
    upsertSearchAttributes({ Step: [figures.step] });
    this.show();
  }

  end(state: messages.RunState, result?: Pick<StageOutcome, 'outputs' | 'metrics' | 'cost'>): void {
    this.outputs = result?.outputs;
    this.metrics = result?.metrics;
    this.costUsd = result?.cost.usd ?? 0;
    this.ended = state;
    this.show();
    const score = result?.metrics['score'];
    if (score !== undefined) upsertSearchAttributes({ Accuracy: [score] });
    if (this.costUsd > 0) upsertSearchAttributes({ SpendUsd: [this.costUsd] });
  }

  private stopRequested(): boolean {
    return this.stopping;
  }

  private async awaitCorrection(error: unknown): Promise<void> {
    const { type, message } = rootCause(error);
    if (policyOf(type).then === 'fail') throw surfaced(error);
    this.problem = { stage: 'evaluate', type, message };
    this.tryAgain = false;
    this.show();
    await condition(() => this.tryAgain || this.stopping);
    this.problem = undefined;
    this.show();
  }

  private retry(): messages.RunState {
    this.tryAgain = true;
    return this.state;
  }

  private hold(held: boolean): messages.RunState {
    this.held = held;
    // A shard that is held returns what it has; it is all in the store, so it goes on where it was.
    if (held) this.scope?.cancel();
    this.show();
    return this.state;
  }

  private progress(): messages.RunProgress {
    const done = this.state === 'completed';
    return {
      workflowId: workflowInfo().workflowId,
      recipe: this.title,
      state: this.state,
      stage: 'evaluate',
      stages: [
        {
          name: 'evaluate',
          state: done ? 'done' : this.state === 'failed' ? 'failed' : 'running',
          ...(this.figures ? { figures: this.figures } : {}),
          ...(this.metrics ? { metrics: this.metrics } : {}),
          ...(this.outputs ? { outputs: this.outputs } : {}),
          ...(this.problem ? { problem: this.problem.message } : {}),
        },
      ],
      ...(this.problem ? { problem: this.problem } : {}),
      costUsd: this.costUsd,
    };
  }

  private show(): void {
    const lines = [`**${this.title}** · ${this.state}`];
    if (this.figures) lines.push('', describeFigures(this.figures));
    const sections = Object.entries(this.sections).sort(([a], [b]) => (a < b ? -1 : 1));
    if (sections.length > 0) {
      lines.push('', '| section | judged | accuracy so far |', '|---|---|---|');
      for (const [name, { count, right }] of sections)
        lines.push(`| ${name} | ${count} | ${((100 * right) / count).toFixed(1)} % |`);
    }
    if (this.problem) {
      lines.push('', `**Waits** (${this.problem.type}): ${this.problem.message}`);
      lines.push('', 'Send the update `correct` with `{}` to try again, or `stop` to score what is there.');
    }
    const report = this.outputs?.report;
    if (report) lines.push('', `Report: \`rmr1 report ${workflowInfo().workflowId}\` · \`${report.uri}\``);
    setCurrentDetails(lines.join('\n'));
    if (this.shownState === this.state) return;
    this.shownState = this.state;
    upsertSearchAttributes({ RunState: [this.state] });
  }
}
