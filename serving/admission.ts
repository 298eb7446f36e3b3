/** Back-pressure: how much work may wait at once, and when to come back where there is too much. */
import { HttpError } from './errors.js';

export class Admission {
  private pending = 0;
  private finished: { at: number; units: number }[] = [];
  private draining = false;
  private idle: (() => void) | undefined;
  private requests = 0;

  /** @param most judgements that may be under way or waiting; a single request may be larger when nothing else waits */
  constructor(
    private readonly most: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Judgements under way or waiting. */
  get load(): number {
    return this.pending;
  }

  get stopping(): boolean {
    return this.draining;
  }

  /** @throws HttpError 429 where too much waits, 503 where the server stops; both say when to come back. */
  async admit<T>(units: number, work: () => Promise<T>): Promise<T> {
    if (this.draining) throw new HttpError(503, 'Stopping', 'The server is stopping.', 5);
    if (this.pending > 0 && this.pending + units > this.most) {
      throw new HttpError(
        429,
        'Overloaded',
        `${this.pending} judgements wait already; at most ${this.most} may.`,
        this.retryAfterSeconds(),
      );
    }
    this.pending += units;
    this.requests += 1;
    try {
      const result = await work();
      this.finished.push({ at: this.now(), units });
      if (this.finished.length > 64) this.finished.shift();
      return result;
    } finally {
      this.pending -= units;
      this.requests -= 1;
      if (this.requests === 0) this.idle?.();
    }
  }

  /** Take no more; resolves when all that was admitted has ended. */
  async drain(): Promise<void> {
    this.draining = true;
    if (this.requests === 0) return;
    await new Promise<void>((resolve) => (this.idle = resolve));
  }

  /** When half of what waits should be done, by the rate of late; 1 to 60 s. */
  private retryAfterSeconds(): number {
    const [first] = this.finished;
    const seconds = first ? (this.now() - first.at) / 1000 : 0;
    const rate = seconds > 0 ? this.finished.reduce((sum, { units }) => sum + units, 0) / seconds : 0;
    return rate > 0 ? Math.min(60, Math.max(1, Math.ceil(this.pending / 2 / rate))) : 1;
  }
}
