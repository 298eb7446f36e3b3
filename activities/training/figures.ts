/** From engine events to what people watch: heartbeats for the live view, rare signals for the workflow's page. */
import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import type { EngineEvent } from '../../engine/job.js';
import type { StageName } from '../../workflows/inputs.js';
import { type StageFigures, stageFiguresSignal } from '../../workflows/messages.js';
import { StageMetrics } from '../metrics.js';
import { Pace } from './pace.js';

/** A signal costs four history events: at first every ten seconds, later every two per cent of the stage's age. */
const FIRST_SIGNAL_MS = 10_000;
const SIGNAL_SHARE = 0.02;

export class FiguresReporter {
  private figures: StageFigures | undefined;
  private readonly began = Date.now();
  private lastSignal = 0;
  private readonly timer: NodeJS.Timeout;
  private readonly metrics: StageMetrics;
  private readonly pace = new Pace();

  constructor(
    private readonly stage: StageName,
    private readonly client: Client,
    private readonly notify: string[],
  ) {
    this.metrics = new StageMetrics(stage);
    // Heartbeats run on a timer: a quiet engine is not a lost worker, its own deadline watches it.
    this.timer = setInterval(() => this.beat(), 1000);
    this.beat();
  }

  /** Take up what the engine said. */
  take(event: EngineEvent): void {
    const figures = figuresOf(event, this.pace);
    if (figures) this.show(figures);
  }

  /** Show figures, however they came about. */
  show(figures: StageFigures): void {
    this.figures = { ...this.figures, ...figures };
    this.metrics.show(figures);
    void this.signal();
  }

  get step(): number {
    return this.figures?.step ?? 0;
  }

  /** A checkpoint is complete in the store. */
  checkpointStored(): void {
    this.metrics.checkpoint();
  }

  stop(): void {
    clearInterval(this.timer);
    this.metrics.end();
  }

  private beat(): void {
    this.metrics.beat();
    Context.current().heartbeat({ stage: this.stage, ...(this.figures ? { figures: this.figures } : {}) });
  }

  private async signal(): Promise<void> {
    const now = Date.now();
    const interval = Math.max(FIRST_SIGNAL_MS, (now - this.began) * SIGNAL_SHARE);
    if (!this.figures || now - this.lastSignal < interval) return;
    this.lastSignal = now;
    const message = { stage: this.stage, figures: this.figures };
    for (const workflowId of this.notify) {
      // Figures are a courtesy: a workflow that ended, or a server that is away, must not stop the training.
      await this.client.workflow
        .getHandle(workflowId)
        .signal(stageFiguresSignal, message)
        .catch(() => undefined);
    }
  }
}

/** Figures of an engine event; undefined for events without any. */
function figuresOf(event: EngineEvent, pace: Pace): StageFigures | undefined {
  if (event.type === 'started') return { step: event.resumedAt, total: event.totalSteps };
  if (event.type === 'generated') {
    return { step: event.done, total: event.total, tokensPerSecond: event.tokensPerSecond };
  }
  if (event.type !== 'progress') return undefined;
  const { step, loss, reward, kl, accuracy, seconds } = event.metrics;
  return {
    step,
    total: event.total,
    ...(reward === undefined ? { loss } : { reward }),
    ...(kl === undefined ? {} : { kl }),
    ...(accuracy === undefined ? {} : { accuracy }),
    tokensPerSecond: event.tokensPerSecond,
    etaSeconds: (event.total - step) * pace.after(seconds),
  };
}
