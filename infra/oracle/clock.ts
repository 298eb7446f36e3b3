/** The service's time: the machine's, or one that a test moves, so that a day of a batch takes no day. */
export class Clock {
  #set: number | undefined;

  /** Milliseconds since the epoch. */
  now(): number {
    return this.#set ?? Date.now();
  }

  /** Stand at `ms` from now on; never back. */
  set(ms: number): void {
    this.#set = Math.max(ms, this.#set ?? 0);
  }
}
