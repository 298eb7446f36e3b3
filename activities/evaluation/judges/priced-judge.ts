/** What judgements cost, by the tokens they took; also of those that were found in the store. */
import type { TokenPrice } from '../../../workflows/judge-settings.js';
import type { Judge } from './judge.js';

const MILLION = 1_000_000;

/** `judge` whose opinions say what they cost in USD; itself where no price is known. */
export function pricedJudge(judge: Judge, price: TokenPrice | undefined): Judge {
  if (!price) return judge;
  return {
    ...judge,
    async ask(question, signal) {
      const opinion = await judge.ask(question, signal);
      const { inputTokens, outputTokens } = opinion;
      const costUsd = (inputTokens * price.inputPerMillion + outputTokens * price.outputPerMillion) / MILLION;
      return { ...opinion, costUsd };
    },
  };
}
