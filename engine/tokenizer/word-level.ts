/** Word-level vocabularies for small, closed languages: one token a word, one token a digit. */
import {
  addedTokens,
  listSpecialTokens,
  tokenizerConfig,
  type SpecialTokens,
  type TokenizerFiles,
} from './tokenizer-files.js';

const DIGITS = [...'0123456789'];

export interface WordLevelOptions {
  /** `unknown` is required: words outside the list become that token. */
  special: SpecialTokens & { unknown: string };
  chatTemplate?: string;
  /** Regular expression of a token; what it does not match only separates. Default: words between white space, single digits. */
  tokenPattern?: string;
}

/**
 * Build a tokenizer of words separated by white space; digits are split off one by one. Decoding puts one space
 * between tokens, so numbers come back with spaced digits.
 * @throws when a word holds white space or a digit, or is listed twice.
 */
export function buildWordLevel(words: readonly string[], options: WordLevelOptions): TokenizerFiles {
  const special = listSpecialTokens(options.special);
  const ids = new Map<string, number>();
  for (const token of [...special, ...DIGITS, ...words]) {
    if (ids.has(token)) throw new Error(`the word ${JSON.stringify(token)} is listed twice`);
    ids.set(token, ids.size);
  }
  for (const word of words) {
    if (word === '' || /\s/u.test(word))
      throw new Error(`the word ${JSON.stringify(word)} is empty or holds a space`);
    if (/\p{N}/u.test(word))
      throw new Error(`the word ${JSON.stringify(word)} holds a digit; digits are split off`);
  }
  return {
    tokenizer: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: addedTokens(special),
      normalizer: null,
      pre_tokenizer:
        options.tokenPattern === undefined
          ? {
              type: 'Sequence',
              pretokenizers: [{ type: 'WhitespaceSplit' }, { type: 'Digits', individual_digits: true }],
            }
          : { type: 'Split', pattern: { Regex: options.tokenPattern }, behavior: 'Removed', invert: true },
      post_processor: null,
      decoder: null,
      model: { type: 'WordLevel', vocab: Object.fromEntries(ids), unk_token: options.special.unknown },
    },
    config: tokenizerConfig(options.special, options.chatTemplate),
  };
}
