/**
 * Many short calls under one long-lived signal. Each gets a signal of its own: the SDKs never remove their listeners, and
 * thousands of them on one signal would be searched through at every call.
 */
export class Cancelling {
  private readonly running = new Set<AbortController>();
  private ended = false;

  /** @param graceMs How long after `signal` the calls under way may still go on. */
  constructor(signal: AbortSignal, graceMs: number) {
    const start = () => setTimeout(() => this.end(signal.reason), graceMs).unref();
    if (signal.aborted) start();
    else signal.addEventListener('abort', start, { once: true });
  }

  /** Whether the grace is over and every call was told to end. */
  get over(): boolean {
    return this.ended;
  }

  async run<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    if (this.ended) controller.abort();
    this.running.add(controller);
    try {
      return await call(controller.signal);
    } finally {
      this.running.delete(controller);
    }
  }

  private end(reason: unknown): void {
    this.ended = true;
    for (const controller of this.running) controller.abort(reason);
  }
}
