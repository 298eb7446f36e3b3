/** Asking an endpoint as fast as it likes: adapts how many requests are in flight, and asks again after passing faults. */
import { setTimeout as delay } from 'node:timers/promises';
import { UserError } from '../../../workflows/errors.js';
import { AdaptiveLimit } from './adaptive-limit.js';
import { Throttled, type Judge } from './judge.js';

export interface PatienceSettings {
  /** An endpoint that answers nothing at all for so long, while asked, is given up. */
  silenceMs: number;
  /** Passing faults (cut connections, 5xx, half an answer) of one request before it is given up. */
  attempts: number;
  firstPauseMs: number;
}

const SETTINGS: PatienceSettings = { silenceMs: 5 * 60_000, attempts: 5, firstPauseMs: 500 };
const LONGEST_PAUSE_MS = 30_000;

/** All requests to one endpoint share one of these. */
export class Patience {
  readonly limit: AdaptiveLimit;
  private readonly settings: PatienceSettings;
  private lastAnswer = Date.now();
  private pending = 0;
  private refusals = 0;
  private refused = 0;

  constructor(concurrency: { initial: number; most: number }, settings: Partial<PatienceSettings> = {}) {
    this.limit = new AdaptiveLimit(concurrency);
    this.settings = { ...SETTINGS, ...settings };
  }

  /** Requests that were refused for load so far. */
  get throttled(): number {
    return this.refused;
  }

  /**
   * Run `request` when it is its turn, again after each passing fault.
   * @throws UserError `JudgeUnreachable` where patience ends; anything that is no passing fault; the signal's reason.
   */
  async run<T>(request: () => Promise<T>, signal: AbortSignal): Promise<T> {
    // Silence counts from the first request that waits, not from when nothing was asked.
    if (this.pending++ === 0) this.lastAnswer = Date.now();
    try {
      for (let faults = 0; ;) {
        signal.throwIfAborted();
        try {
          return await this.limit.run(() => this.once(request, signal), signal);
        } catch (error) {
          if (signal.aborted) throw error;
          const silent = Date.now() - this.lastAnswer > this.settings.silenceMs;
          if (error instanceof Throttled) {
            if (silent) throw this.overloaded(error);
            continue;
          }
          if ((error as { type?: string }).type !== 'JudgeUnreachable') throw error;
          faults += 1;
          if (faults >= this.settings.attempts || silent) throw error;
          await delay(this.pause(faults - 1), undefined, { signal });
        }
      }
    } finally {
      this.pending -= 1;
    }
  }

  private async once<T>(request: () => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    const sentAt = performance.now();
    try {
      const answer = await request();
      this.limit.answered(performance.now() - sentAt);
      this.lastAnswer = Date.now();
      this.refusals = 0;
      return answer;
    } catch (error) {
      if (error instanceof Throttled) {
        this.refused += 1;
        const pause = error.retryAfterMs ?? this.pause(this.refusals);
        this.refusals += 1;
        this.limit.refused(sentAt, pause);
      }
      throw error;
    }
  }

  /** Doubled each time; jitter keeps several workers from coming back in step. */
  private pause(times: number): number {
    const pause = this.settings.firstPauseMs * 2 ** Math.min(times, 10);
    return Math.min(LONGEST_PAUSE_MS, pause) * (1 + 0.2 * Math.random());
  }

  private overloaded(error: Throttled): UserError {
    return new UserError(
      'JudgeUnreachable',
      `The judge refused every request for ${Math.round(this.settings.silenceMs / 1000)} s (HTTP ${error.status}): it is overloaded or its quota is spent. Judgements so far are kept.`,
      { cause: error },
    );
  }
}

/** `judge`, whatever it is asked, through `patience`. */
export function patientJudge(judge: Judge, patience: Patience): Judge {
  const { score, chat } = judge;
  return {
    ...judge,
    ...(score && {
      score: (conversation, replies, sample, signal) =>
        patience.run(() => score(conversation, replies, sample, signal), signal),
    }),
    ...(chat && {
      chat: (messages, parameters, signal) => patience.run(() => chat(messages, parameters, signal), signal),
    }),
    ask: (question, signal) =>
      patience.run(async () => {
        const began = performance.now();
        const opinion = await judge.ask(question, signal);
        return { ...opinion, seconds: (performance.now() - began) / 1000 };
      }, signal),
  };
}
