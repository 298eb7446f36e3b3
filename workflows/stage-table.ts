/** How far each stage of a run is. Stages that work in rounds keep one row: its times and costs add up. */
import type { TimedOutcome } from '../activities/stage-outcome.js';
import type { StageName } from './inputs.js';
import type { StageProgress } from './messages.js';

export class StageTable {
  private readonly rows = new Map<StageName, StageProgress>();

  constructor(
    names: readonly StageName[],
    private readonly changed: () => void,
  ) {
    for (const name of names) this.rows.set(name, { name, state: 'pending' });
  }

  /** Forget stages that will not be run; one that has begun stays, and so does the last one, which was asked for. */
  leaveOut(names: readonly StageName[]): void {
    const asked = [...this.rows.keys()].at(-1);
    for (const name of names) {
      if (name !== asked && this.of(name).state === 'pending') this.rows.delete(name);
    }
    this.changed();
  }

  get all(): StageProgress[] {
    return [...this.rows.values()];
  }

  of(name: StageName): StageProgress {
    return this.rows.get(name) ?? { name, state: 'pending' };
  }

  update(name: StageName, change: Partial<StageProgress>): void {
    this.rows.set(name, { ...this.of(name), ...change });
    this.changed();
  }

  /** A round begins with a clock and figures of its own. */
  beginRound(name: StageName, round: number, rounds: number): void {
    const { name: _, state: __, startedAt: ___, seconds: ____, figures: _____, ...kept } = this.of(name);
    this.rows.set(name, { ...kept, name, state: 'pending', round, rounds });
  }

  /** @param outcomes All of the stage so far, the newest last. */
  finish(outcomes: readonly TimedOutcome[]): void {
    const newest = outcomes.at(-1)!;
    const sum = (of: (outcome: TimedOutcome) => number) =>
      outcomes.reduce((total, outcome) => total + of(outcome), 0);
    this.update(newest.stage, {
      state: newest.reused ? 'reused' : 'done',
      seconds: sum(({ wallSeconds }) => wallSeconds),
      costUsd: sum(({ cost }) => cost.usd),
      inputTokens: sum(({ cost }) => cost.inputTokens),
      outputTokens: sum(({ cost }) => cost.outputTokens),
      metrics: newest.metrics,
      outputs: newest.outputs,
    });
  }
}
