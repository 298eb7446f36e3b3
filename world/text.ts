/**
 * How text of the world falls into tokens: tags and verdicts whole, digits one by one, words, and single signs.
 * White space only separates. The tokenizer of the quickstart model is built from this pattern.
 */
export const WORLD_TOKEN_PATTERN = '</?[A-Za-z_]+>|\\[\\[[AB]\\]\\]|[0-9]|[A-Za-z]+|[^\\sA-Za-z0-9]';

const pattern = new RegExp(WORLD_TOKEN_PATTERN, 'g');

/** The tokens of `text`, in order. */
export function worldTokens(text: string): string[] {
  return text.match(pattern) ?? [];
}

/** The words of `text` (no digits, no signs), in order. */
export function words(text: string): string[] {
  return text.match(/[A-Za-z]+/g) ?? [];
}
