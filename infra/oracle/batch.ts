/** A batch and how it comes along with time: the part that both providers' batch APIs have in common. */
import { createHash } from 'node:crypto';
import { ApiError } from './api-error.js';
import type { Completion } from './complete.js';

export interface BatchTiming {
  /** From validation to the last answer, where nothing goes wrong. */
  durationMs: number;
  /** After this a batch expires with what it has. */
  windowMs: number;
}

export interface BatchLine {
  customId: string;
  /** Answers the line. @throws ApiError */
  ask: () => Completion;
}

/** What came of a line; a line without an outcome was never processed. */
export type LineOutcome = Completion | ApiError;

export type BatchState =
  | 'validating'
  | 'failed'
  | 'in_progress'
  | 'finalizing'
  | 'completed'
  | 'expired'
  | 'cancelling'
  | 'cancelled';

const TERMINAL: readonly BatchState[] = ['failed', 'completed', 'expired', 'cancelled'];
/** Shares of the duration. */
const VALIDATING = 0.1;
const FINALIZING = 0.1;
/** Cancelling takes minutes, however long the batch. */
const LONGEST_CANCELLING_MS = 5 * 60_000;
/** Share of its lines that a batch which expires gets done. */
const DONE_AT_EXPIRY = 0.5;

export class Batch {
  readonly outcomes = new Map<string, LineOutcome>();
  /** When it entered a state, in ms. */
  readonly since: Partial<Record<BatchState, number>> = {};
  #state: BatchState = 'validating';

  /**
   * @param lines In the order of processing.
   * @param fate `expire`: too slow for its window; an error: refused by validation.
   */
  constructor(
    readonly id: string,
    readonly createdAt: number,
    readonly lines: BatchLine[],
    readonly timing: BatchTiming,
    readonly fate: 'complete' | 'expire' | { code: string; message: string; line?: number },
    readonly onAnswer: (completion: Completion) => void,
  ) {
    this.since.validating = createdAt;
  }

  get state(): BatchState {
    return this.#state;
  }

  get ended(): boolean {
    return TERMINAL.includes(this.#state);
  }

  get expiresAt(): number {
    return this.createdAt + this.timing.windowMs;
  }

  /** Bring it to where it stands at `now`. */
  advance(now: number): void {
    const { durationMs } = this.timing;
    const begun = this.createdAt + VALIDATING * durationMs;
    if (this.#state === 'validating' && now >= begun) {
      if (typeof this.fate === 'object') return this.#enter('failed', begun);
      this.#enter('in_progress', begun);
    }
    if (this.#state === 'in_progress') this.#process(begun, now);
    if (this.#state === 'finalizing' && now >= this.since.finalizing! + FINALIZING * durationMs)
      this.#enter('completed', this.since.finalizing! + FINALIZING * durationMs);
    const cancelling = Math.min(FINALIZING * durationMs, LONGEST_CANCELLING_MS);
    if (this.#state === 'cancelling' && now >= this.since.cancelling! + cancelling)
      this.#enter('cancelled', this.since.cancelling! + cancelling);
  }

  /** @throws ApiError 409 where it has ended. */
  cancel(now: number): void {
    this.advance(now);
    if (this.ended) {
      throw new ApiError(409, 'invalid_state', `Batch ${this.id} cannot be cancelled: it is ${this.#state}.`);
    }
    if (this.#state !== 'cancelling') this.#enter('cancelling', now);
  }

  #process(begun: number, now: number): void {
    const { durationMs, windowMs } = this.timing;
    const work = durationMs * (1 - VALIDATING);
    // A batch that is to expire is too slow by half, whatever its window.
    const span = this.fate === 'expire' ? (windowMs - (begun - this.createdAt)) / DONE_AT_EXPIRY : work;
    const until = Math.min(now, this.expiresAt);
    const share = span <= 0 ? 1 : Math.min(1, (until - begun) / span);
    const due = Math.floor(share * this.lines.length);
    for (const line of this.lines.slice(this.outcomes.size, due))
      this.outcomes.set(line.customId, this.#ask(line));
    if (this.outcomes.size === this.lines.length) this.#enter('finalizing', Math.min(begun + span, until));
    else if (now >= this.expiresAt) this.#enter('expired', this.expiresAt);
  }

  #ask(line: BatchLine): LineOutcome {
    try {
      const completion = line.ask();
      this.onAnswer(completion);
      return completion;
    } catch (error) {
      if (error instanceof ApiError) return error;
      throw error;
    }
  }

  #enter(state: BatchState, at: number): void {
    this.#state = state;
    this.since[state] = at;
  }
}

/** Lines in an order of their own, as providers do not promise the one they were given. */
export function shuffled(lines: readonly BatchLine[]): BatchLine[] {
  const rank = ({ customId }: BatchLine) => createHash('sha256').update(customId).digest('hex');
  return lines
    .map((line) => ({ line, rank: rank(line) }))
    .sort((a, b) => (a.rank < b.rank ? -1 : 1))
    .map(({ line }) => line);
}
