/** What every training job does around its steps: resume, record, report, checkpoint, stop, write the model. */
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCheckpoint, writeCheckpoint, type TrainingState } from '../checkpoint/training-checkpoint.js';
import { crashPoint } from '../crash-point.js';
import { EngineError } from '../errors.js';
import type { StepMetrics, TrainingJob } from '../job.js';
import { jobFingerprint } from './fingerprint.js';
import type { EngineIo, JobEnd } from './io.js';
import { trainables } from '../model/trained-model.js';
import { StepSpans } from '../trace/step-spans.js';
import { DivergedError } from './divergence.js';
import { initialTrainables, trainedSize, type TrainingPlan } from './training-plan.js';
import { writeTrainedModel } from './trained-output.js';

/** Figures of one step, as the job computes them. */
export type StepFigures = Omit<StepMetrics, 'step' | 'seconds'>;

/**
 * Does one step on the state it is given, or several up to the next checkpoint at most: `state.parameters`, `m`, `v` and
 * `updates` are updated in place.
 */
export type Step = (
  step: number,
  state: TrainingState,
  record: Recorder,
) => Promise<StepFigures | readonly StepFigures[]>;

/** Adds a line to a JSONL record of the run; the record travels in checkpoints. */
export type Recorder = (file: string, line: object) => void;

const METRICS_FILE = 'metrics.jsonl';
/** GRPO: sample rollouts, for people to read. */
export const ROLLOUTS_FILE = 'rollouts.jsonl';

/** One run of a training job: state, records and the loop around its steps. */
export class TrainingSession {
  readonly state: TrainingState;
  readonly resumedAt: number;

  /** Takes the starting weights of the plan, or those of the checkpoint the job resumes from. */
  constructor(
    private readonly job: TrainingJob,
    private readonly plan: TrainingPlan,
    private readonly io: EngineIo,
  ) {
    const layout = trainables(plan.trained);
    const fingerprint = jobFingerprint(job);
    this.state =
      job.resumeFrom === undefined
        ? {
            kind: job.kind,
            step: 0,
            updates: 0,
            seed: job.seed,
            fingerprint,
            parameters: initialTrainables(plan, job.seed),
            m: new Float32Array(layout.size),
            v: new Float32Array(layout.size),
            records: { [METRICS_FILE]: '', ...(job.kind === 'grpo' ? { [ROLLOUTS_FILE]: '' } : {}) },
          }
        : readCheckpoint(job.resumeFrom, layout, fingerprint);
    this.resumedAt = this.state.step;
    mkdirSync(job.outputDir, { recursive: true });
    // What an earlier process recorded after the checkpoint is done again, so it goes.
    for (const [name, text] of Object.entries(this.state.records))
      writeFileSync(join(job.outputDir, name), text);
  }

  /**
   * Run `step` until `totalSteps` or a stop.
   * @throws EngineError when the loss or the gradient is not finite.
   */
  async run(totalSteps: number, step: Step): Promise<JobEnd> {
    const { io, job, state } = this;
    const parameters = trainedSize(this.plan);
    io.emit({ type: 'started', totalSteps, resumedAt: this.resumedAt, parameters });
    await io.breathe();
    await crashPoint('engine.before-first-step');
    let saved: number | undefined;
    const spans = new StepSpans(io.trace);
    while (state.step < totalSteps) {
      if (io.stopRequested) {
        if (saved !== state.step) this.checkpoint();
        return 'preempted';
      }
      const began = performance.now();
      const first = state.step + 1;
      spans.begin(first);
      const done = await step(first, state, (file, line) => this.record(file, line)).catch(
        (error: unknown) => {
          throw error instanceof DivergedError ? error.at(first, saved ?? this.resumedAt) : error;
        },
      );
      const figuresOf = [done].flat();
      const seconds = Math.round((performance.now() - began) / figuresOf.length) / 1000;
      figuresOf.forEach((figures, index) => {
        requireFinite(first + index, figures);
        const metrics: StepMetrics = { step: first + index, ...figures, seconds };
        this.record(METRICS_FILE, metrics);
        const tokensPerSecond = Math.round(figures.tokens / Math.max(seconds, 0.001));
        io.emit({ type: 'progress', total: totalSteps, metrics, tokensPerSecond });
      });
      state.step += figuresOf.length;
      const tokens = figuresOf.reduce((sum, figures) => sum + figures.tokens, 0);
      const saves = state.step % job.checkpointEverySteps === 0 && state.step < totalSteps;
      spans.done(state.step, tokens, saves || io.stopRequested || state.step >= totalSteps);
      if (saves) {
        await crashPoint('engine.before-checkpoint');
        this.checkpoint();
        saved = state.step;
      }
      await io.breathe();
    }
    const dir = join(job.outputDir, 'model');
    const written = io.trace?.span('write model');
    await writeTrainedModel(this.plan, state.parameters, job);
    written?.();
    io.emit({ type: 'done', step: state.step, dir });
    return 'done';
  }

  private checkpoint(): void {
    const { step } = this.state;
    const dir = join(this.job.outputDir, 'checkpoints', `step-${step}`);
    const written = this.io.trace?.span('write checkpoint', { 'rmr1.step': step });
    writeCheckpoint(dir, trainables(this.plan.trained), this.state);
    written?.();
    this.io.emit({ type: 'checkpoint', step, dir });
  }

  private record(file: string, line: object): void {
    const text = `${JSON.stringify(line)}\n`;
    this.state.records[file] = (this.state.records[file] ?? '') + text;
    appendFileSync(join(this.job.outputDir, file), text);
  }
}

/** Numbers that are not finite come back on every retry, so the job is at fault. */
function requireFinite(step: number, figures: StepFigures): void {
  for (const name of ['loss', 'gradNorm'] as const)
    if (!Number.isFinite(figures[name]))
      throw new EngineError(
        'EngineBadJob',
        `training diverged: ${name} is ${figures[name]} at step ${step}; lower the stage's learningRate`,
      );
}
