/** Pairs that cannot fit: found early, dropped and counted, never cut. */
import type { Pair } from '../../judge/pair.js';
import { BadDataError } from './bad-data.js';

export interface LengthLimits {
  /** Conversation and both answers together. */
  maxCharacters?: number;
  /** Most tokens that `countTokens` may give. */
  maxTokens?: number;
  /** Length of the pair as the model will see it, in tokens: the rendered judge prompt, with room for the trace. */
  countTokens?: (pair: Pair) => number;
}

export interface LengthResult {
  pairs: Pair[];
  overlong: Pair[];
}

/** Characters of the conversation and both answers. */
function charactersOf(pair: Pair): number {
  return (
    pair.conversation.reduce((sum, { content }) => sum + content.length, 0) +
    pair.chosen.length +
    pair.rejected.length
  );
}

/**
 * Keep the pairs within the limits, in order.
 * @throws BadDataError where there are pairs and none fits.
 */
export function dropOverlong(
  pairs: readonly Pair[],
  limits: LengthLimits,
  source = 'the pairs',
): LengthResult {
  const { maxCharacters = Infinity, maxTokens = Infinity, countTokens } = limits;
  const fits = (pair: Pair): boolean =>
    charactersOf(pair) <= maxCharacters &&
    (countTokens === undefined || maxTokens === Infinity || countTokens(pair) <= maxTokens);
  const result: LengthResult = { pairs: [], overlong: [] };
  for (const pair of pairs) (fits(pair) ? result.pairs : result.overlong).push(pair);
  if (pairs.length > 0 && result.pairs.length === 0)
    throw new BadDataError(source, [{ message: tooLong(pairs, limits) }]);
  return result;
}

function tooLong(pairs: readonly Pair[], { maxCharacters, maxTokens, countTokens }: LengthLimits): string {
  const limit = [
    maxTokens !== undefined && countTokens && `${maxTokens} tokens`,
    maxCharacters !== undefined && `${maxCharacters} characters`,
  ].filter(Boolean);
  const lengths = pairs.map((pair) =>
    maxTokens !== undefined && countTokens ? countTokens(pair) : charactersOf(pair),
  );
  const shortest = lengths.reduce((least, length) => Math.min(least, length), Infinity);
  const count = pairs.length === 1 ? 'the only pair is' : `all ${pairs.length} pairs are`;
  return `${count} longer than ${limit.join(' or ')} (the shortest has ${shortest}); raise the length limit or shorten the pairs`;
}
