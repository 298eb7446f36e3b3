/** What one activity may spend of the run's ledger: reserved before each call from the worst case, settled from usage. */
import type { Recipe } from '../../recipes/schema.js';
import type { OracleQuestion } from './answer-cache.js';

export interface Usage {
  inputTokens: number;
  outputTokens: number;
}

/** Price of `usage` in USD; models without a price in the recipe cost nothing. */
export function priceOf(oracle: Pick<Recipe['oracle'], 'price'>, model: string, usage: Usage): number {
  const price = oracle.price[model];
  if (!price) return 0;
  return (usage.inputTokens * price.inputPerMillion + usage.outputTokens * price.outputPerMillion) / 1e6;
}

/** Tokens that a chat template may add to each message. */
const TEMPLATE_TOKENS = 16;

/**
 * The most that one question can cost, in USD: the longest answer that was allowed, and a token for every byte of the
 * prompt, which is the most that a byte-level tokenizer makes of it.
 */
export function worstPrice(oracle: Pick<Recipe['oracle'], 'price'>, question: OracleQuestion): number {
  const inputTokens = question.messages.reduce(
    (sum, { content }) => sum + Buffer.byteLength(content) + TEMPLATE_TOKENS,
    0,
  );
  return priceOf(oracle, question.model, { inputTokens, outputTokens: question.maxTokens });
}

/** Sums of binary fractions: differences below this are rounding. */
const ROUNDING = 1e-9;

/** An allowance that concurrent calls share: what is reserved counts as spent until it is settled. */
export class Allowance {
  private spent = 0;
  private reserved = 0;
  private readonly waiting: { usd: number; answer: (granted: boolean) => void }[] = [];

  /** @param cap USD; undefined: no cap. */
  constructor(private readonly cap: number | undefined) {}

  get spentUsd(): number {
    return this.spent;
  }

  /** Count what an earlier attempt of the same activity spent of the same allowance. */
  charge(usd: number): void {
    this.spent += usd;
  }

  /**
   * Reserve `usd`. Where it does not fit beside what others have reserved, wait for their settlements.
   * @returns false where it would not fit even then.
   */
  reserve(usd: number): Promise<boolean> {
    return new Promise((answer) => {
      this.waiting.push({ usd, answer });
      this.serve();
    });
  }

  /** Replace a reservation by what the call really cost; 0 where it was not billed. */
  settle(reservedUsd: number, actualUsd: number): void {
    this.reserved -= reservedUsd;
    this.spent += actualUsd;
    this.serve();
  }

  /** In the order of asking, so that nobody starves. */
  private serve(): void {
    for (let next = this.waiting[0]; next; next = this.waiting[0]) {
      const { usd } = next;
      const free = this.cap === undefined ? Infinity : this.cap - this.spent;
      if (usd + this.reserved <= free + ROUNDING) {
        this.reserved += usd;
        next.answer(true);
      } else if (usd > free + ROUNDING || this.reserved <= ROUNDING) next.answer(false);
      else return;
      this.waiting.shift();
    }
  }
}
