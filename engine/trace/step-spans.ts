/** One span for the steps between two checkpoints, and at least one every half minute: a few per stage, not thousands. */
import type { TrainerTrace } from './trainer-trace.js';

const LONGEST_MS = 30_000;

/** Spans of a trainer, a batch of steps each; without a trace it does nothing. */
export class StepSpans {
  private endBatch: ((figures: Record<string, number>) => void) | undefined;
  private began = 0;
  private tokens = 0;

  constructor(private readonly trace: TrainerTrace | undefined) {}

  /** `step` begins. */
  begin(step: number): void {
    if (!this.trace || this.endBatch) return;
    this.endBatch = this.trace.span('train steps', { 'rmr1.step.first': step });
    this.began = Date.now();
    this.tokens = 0;
  }

  /** `step` is done; `last` of its batch where a checkpoint or the end of the training follows. */
  done(step: number, tokens: number, last: boolean): void {
    this.tokens += tokens;
    if (!last && Date.now() - this.began < LONGEST_MS) return;
    this.endBatch?.({ 'rmr1.step.last': step, 'rmr1.tokens': this.tokens });
    this.endBatch = undefined;
  }
}
