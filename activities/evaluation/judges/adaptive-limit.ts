/**
 * How many questions may be in flight: additive increase, multiplicative decrease (Chiu & Jain 1989), as congestion
 * control does it. It doubles each round until the endpoint shows its limit for the first time (slow start, Jacobson
 * 1988). An endpoint that refuses (429, 503) halves it, once for all questions that were in flight; one that only gets
 * slower without answering more lowers it by a fifth, by half at the end of the slow start; otherwise it grows by one a
 * round. Where asking less has not made the answers faster, the endpoint (or this machine) is simply slower than it was:
 * that pace is then the one to compare with, so that the limit does not fall without end.
 */

export interface LimitSettings {
  initial: number;
  most: number;
  /** Milliseconds; injected by tests. */
  now?: () => number;
}

/** A round whose median latency exceeds the best one by this factor counts as slow. */
const SLOW = 2;
/** Answers are faster after a cut where their median is below this share of the one before it. */
const HELPED = 0.9;
/** A slow round must answer more than the round before by this factor, else the limit is too high. */
const WORTH_IT = 1.05;

export class AdaptiveLimit {
  private current: number;
  /** Slow start: no limit of the endpoint was met yet. */
  private doubling = true;
  private inFlight = 0;
  private waiting: (() => void)[] = [];
  private readonly now: () => number;
  private readonly most: number;
  /** Questions started before this moment have no say in a further decrease. */
  private lastCut = -Infinity;
  private pausedUntil = -Infinity;
  private timer: NodeJS.Timeout | undefined;
  private round: { began: number; latencies: number[] };
  private best = Infinity;
  private throughput = 0;
  /** Median latency that led to the last cut for slowness. */
  private cutFrom: number | undefined;
  /** The first round after a cut holds answers to questions that were asked before it. */
  private settling = false;

  constructor({ initial, most, now = () => performance.now() }: LimitSettings) {
    this.most = Math.max(1, most);
    this.current = Math.min(Math.max(1, initial), this.most);
    this.now = now;
    this.round = { began: now(), latencies: [] };
  }

  /** Questions that may be in flight now. */
  get limit(): number {
    return Math.floor(this.current);
  }

  /** Run `task` as soon as there is room. What it throws passes through; so does the reason of an aborted `signal`. */
  async run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.room(signal);
    try {
      return await task();
    } finally {
      this.inFlight -= 1;
      this.admit();
    }
  }

  /** An answer came after `latencyMs`. */
  answered(latencyMs: number): void {
    this.round.latencies.push(latencyMs);
    if (this.round.latencies.length >= Math.max(4, this.limit)) this.endRound();
  }

  /** The endpoint refused a question that was sent at `sentAt`; `pauseMs`: nothing is sent before that has passed. */
  refused(sentAt: number, pauseMs: number): void {
    this.pausedUntil = Math.max(this.pausedUntil, this.now() + pauseMs);
    if (sentAt > this.lastCut) {
      this.lastCut = this.now();
      this.doubling = false;
      this.current = Math.max(1, this.current / 2);
      this.newRound();
    }
    this.admit();
  }

  private endRound(): void {
    const sorted = [...this.round.latencies].sort((a, b) => a - b);
    const median = sorted[sorted.length >> 1]!;
    const seconds = Math.max(1e-9, (this.now() - this.round.began) / 1000);
    const throughput = sorted.length / seconds;
    if (this.settling) {
      this.settling = false;
      return this.newRound();
    }
    if (this.cutFrom !== undefined && median > HELPED * this.cutFrom) this.best = median;
    this.cutFrom = undefined;
    const slow = median > SLOW * this.best && throughput < WORTH_IT * this.throughput;
    this.best = Math.min(this.best, median);
    this.throughput = throughput;
    if (slow) {
      this.current = Math.max(1, this.current * (this.doubling ? 0.5 : 0.8));
      this.cutFrom = median;
      this.settling = true;
      this.doubling = false;
    } else this.current = Math.min(this.most, this.doubling ? 2 * this.current : this.current + 1);
    this.newRound();
    this.admit();
  }

  private newRound(): void {
    this.round = { began: this.now(), latencies: [] };
  }

  private async room(signal: AbortSignal | undefined): Promise<void> {
    if (this.open(this.now())) {
      this.inFlight += 1;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const leave = () => {
        this.waiting = this.waiting.filter((other) => other !== enter);
        reject(signal?.reason as Error);
      };
      const enter = () => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      signal?.addEventListener('abort', leave, { once: true });
      this.waiting.push(enter);
      this.admit();
    });
  }

  private open(now: number): boolean {
    return this.inFlight < this.limit && now >= this.pausedUntil;
  }

  private admit(): void {
    // Read once: a pause that ends between two readings would let nobody in and set no timer.
    const now = this.now();
    while (this.waiting.length > 0 && this.open(now)) {
      this.inFlight += 1;
      this.waiting.shift()!();
    }
    const pause = this.pausedUntil - now;
    if (this.waiting.length === 0 || pause <= 0 || this.timer) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.admit();
    }, pause);
  }
}
