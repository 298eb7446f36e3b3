/** How long a step takes, for the time that is left: single steps differ severalfold on a busy machine. */

/** Steps that the mean remembers; of fewer steps it is the plain mean. */
const REMEMBERED = 32;

export class Pace {
  private steps = 0;
  private mean = 0;

  /** Take up a step of `seconds`; the mean over the last steps, in seconds. */
  after(seconds: number): number {
    this.steps = Math.min(this.steps + 1, REMEMBERED);
    this.mean += (seconds - this.mean) / this.steps;
    return this.mean;
  }
}
