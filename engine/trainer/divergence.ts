/** Losses that are no number: the run stops, its last checkpoint stands, and the batch is named. */
import type { MicroBatch } from '../data/packing.js';
import { EngineError } from '../errors.js';

const NAMED = 5;

/** Numbers that are not finite come back on every retry, so the job is at fault. */
export class DivergedError extends EngineError {
  constructor(
    private readonly what: string,
    private readonly batch: string,
  ) {
    super('EngineBadJob', `training diverged: ${what} in the micro-batch of ${batch}`);
  }

  /** The same with what only the loop around the steps knows. */
  at(step: number, checkpoint: number): EngineError {
    const last = checkpoint > 0 ? `the checkpoint of step ${checkpoint} is good` : 'no step is worth keeping';
    return new EngineError(
      'EngineBadJob',
      `training diverged: ${this.what} at step ${step} in the micro-batch of ${this.batch}; ${last}; ` +
        `look at these samples or lower the stage's learningRate`,
      { cause: this },
    );
  }
}

/** @throws DivergedError before a bad gradient reaches the weights */
export function requireFiniteLoss(loss: number, names: () => string[]): void {
  if (Number.isFinite(loss)) return;
  const all = names();
  const more = all.length > NAMED ? ` and ${all.length - NAMED} more` : '';
  throw new DivergedError(`loss is ${loss}`, all.slice(0, NAMED).join(', ') + more);
}

/** Names of what lies in a micro-batch, each once. */
export function namesOf(rows: MicroBatch, nameOf: (sequence: number) => string): string[] {
  return [...new Set(rows.placements.map(({ sequence }) => nameOf(sequence)))].sort();
}
