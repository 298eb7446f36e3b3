/** How questions become batches. */
import type { ResidentQuestion } from './protocol.js';

/**
 * After the first question of a batch: how long the others are waited for. Clients that were answered together come
 * back together; without this the first of them would be decoded alone and the rest would wait for it.
 */
const GATHER_MS = 8;

/** Questions that wait, grouped into batches that can be decoded together. Pure but for its timer. */
export class Batcher<Question extends ResidentQuestion> {
  private waiting: Question[] = [];
  private arrived: (() => void) | undefined;

  constructor(
    private readonly batchSize: number,
    private readonly lengthOf: (question: Question) => number = () => 0,
    private readonly gatherMs = GATHER_MS,
  ) {}

  /** To the end of the queue. */
  add(question: Question): void {
    this.waiting.push(question);
    this.arrived?.();
  }

  /** Drop a question that still waits; one that is being decoded is not touched. */
  forget(id: number): void {
    this.waiting = this.waiting.filter((question) => question.id !== id);
  }

  get length(): number {
    return this.waiting.length;
  }

  /**
   * The next batch, as soon as there is a question: the oldest one and, of those that may be decoded with it, the nearest
   * in length, as all rows of a batch take the memory and the attention of its longest.
   */
  async next(): Promise<Question[]> {
    while (this.waiting.length === 0) await this.arrival();
    if (this.gathered().length < this.batchSize) {
      await new Promise((resolve) => setTimeout(resolve, this.gatherMs));
      // All may have been forgotten meanwhile.
      if (this.waiting.length === 0) return this.next();
    }
    const batch = this.gathered();
    const distance = (question: Question) => Math.abs(this.lengthOf(question) - this.lengthOf(batch[0]!));
    batch.sort((a, b) => distance(a) - distance(b));
    batch.splice(this.batchSize);
    const taken = new Set(batch.map(({ id }) => id));
    this.waiting = this.waiting.filter(({ id }) => !taken.has(id));
    return batch;
  }

  /** The oldest first. */
  private gathered(): Question[] {
    const [first] = this.waiting;
    if (!first) return [];
    return this.waiting.filter(
      (other) =>
        other.temperature === first.temperature &&
        other.maxNewTokens === first.maxNewTokens &&
        other.seed === first.seed &&
        (other.answer === undefined) === (first.answer === undefined),
    );
  }

  private arrival(): Promise<void> {
    return new Promise((resolve) => {
      this.arrived = () => {
        this.arrived = undefined;
        resolve();
      };
    });
  }
}
