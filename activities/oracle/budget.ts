/** What a shard may spend: reserved before each call from the worst case, settled from the provider's usage. */
import type { Recipe } from '../../recipes/schema.js';

export interface Usage {
  inputTokens: number;
  outputTokens: number;
}

/** Price of `usage` in USD; models without a price in the recipe cost nothing. */
export function priceOf(oracle: Recipe['oracle'], model: string, usage: Usage): number {
  const price = oracle.price[model];
  if (!price) return 0;
  return (usage.inputTokens * price.inputPerMillion + usage.outputTokens * price.outputPerMillion) / 1e6;
}

/** A hard cap that concurrent calls share: what is reserved counts as spent until it is settled. */
export class Budget {
  private spent = 0;
  private reserved = 0;

  /** @param cap USD; undefined: no cap. */
  constructor(private readonly cap: number | undefined) {}

  get spentUsd(): number {
    return this.spent;
  }

  /** Reserve `usd`; false where that could go over the cap. */
  reserve(usd: number): boolean {
    if (this.cap !== undefined && this.spent + this.reserved + usd > this.cap) return false;
    this.reserved += usd;
    return true;
  }

  /** Count what this run paid before, in an attempt or a stage that did not come to its end. */
  charge(usd: number): void {
    this.spent += usd;
  }

  /** Replace a reservation by what the call really cost; 0 where it failed. */
  settle(reservedUsd: number, actualUsd: number): void {
    this.reserved -= reservedUsd;
    this.spent += actualUsd;
  }
}
