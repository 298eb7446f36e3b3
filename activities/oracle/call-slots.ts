/** Calls in flight of one run in this process: shards that are worked on side by side share them. */

/** How many questions beyond those in flight are being put on record or stored, in seconds of work. */
const AHEAD_SECONDS = 0.4;
const AHEAD_LEAST = 2;
/** And for each call in flight no more than so many. */
const AHEAD_MOST = 8;
/** Questions of one activity under way for each call in flight: those ahead, and those waiting for admission. */
export const LANES_PER_CALL = 1 + AHEAD_MOST;

/** A bound on concurrent holders; who comes first is served first. */
class Slots {
  private held = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(private readonly limit: () => number) {}

  async take(): Promise<void> {
    if (this.held < this.limit()) {
      this.held += 1;
      return;
    }
    await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  give(): void {
    this.held -= 1;
    while (this.waiting.length > 0 && this.held < this.limit()) {
      this.held += 1;
      this.waiting.shift()!();
    }
  }
}

/**
 * At most `concurrency` calls in flight. Beyond those, questions are put on record early, so that a free slot need not
 * wait, and answers are on their way to the store; of both together no more than the pace of the last second needs,
 * because whatever is on record and not stored at a crash may have been billed and is asked again.
 */
export class CallSlots {
  private readonly admitted: Slots;
  private readonly calls: Slots;
  private ended: number[] = [];

  constructor(readonly concurrency: number) {
    this.calls = new Slots(() => concurrency);
    this.admitted = new Slots(() => concurrency + this.ahead());
  }

  /** Put a question on record, `call` once a slot is free, `store` the answer; in this order, each when the last is done. */
  async use<T>(
    record: () => Promise<void>,
    call: () => Promise<T>,
    store: (answer: T) => Promise<void>,
  ): Promise<T> {
    await this.admitted.take();
    try {
      await record();
      const answer = await this.inFlight(call);
      await store(answer);
      return answer;
    } finally {
      this.admitted.give();
    }
  }

  private async inFlight<T>(call: () => Promise<T>): Promise<T> {
    await this.calls.take();
    try {
      return await call();
    } finally {
      this.calls.give();
      this.ended.push(Date.now());
    }
  }

  private ahead(): number {
    const since = Date.now() - 1000;
    if ((this.ended[0] ?? Infinity) < since) this.ended = this.ended.filter((at) => at >= since);
    return Math.min(
      AHEAD_MOST * this.concurrency,
      AHEAD_LEAST + Math.ceil(this.ended.length * AHEAD_SECONDS),
    );
  }
}

const slots = new Map<string, { slots: CallSlots; users: number }>();

/** Run `use` with the slots of `run`, which all its shards in this process share. */
export async function withCallSlots<T>(
  run: string,
  concurrency: number,
  use: (slots: CallSlots) => Promise<T>,
): Promise<T> {
  const name = `${concurrency} ${run}`;
  const shared = slots.get(name) ?? { slots: new CallSlots(concurrency), users: 0 };
  slots.set(name, shared);
  shared.users += 1;
  try {
    return await use(shared.slots);
  } finally {
    shared.users -= 1;
    if (shared.users === 0) slots.delete(name);
  }
}
