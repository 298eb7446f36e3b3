/** Tokenizers for students made from scratch, with the chat template that goes with them. */
import { buildWordLevel } from '../../engine/tokenizer/word-level.js';
import { trainBytePairEncoding } from '../../engine/tokenizer/bpe-trainer.js';
import type { TokenizerFiles } from '../../engine/tokenizer/tokenizer-files.js';

const SPECIAL = { padding: '<|pad|>', endOfText: '<|end|>', unknown: '<|unknown|>', others: ['<|judge|>'] };

/** A small student reads the prompt as it is; one marker says where its own text begins. */
const CHAT_TEMPLATE =
  "{% for message in messages %}{{ message['content'] }}{% if not loop.last %} {% endif %}{% endfor %}{% if add_generation_prompt %} <|judge|> {% endif %}";

/** One token a word and a digit, for the closed language of the preference world. */
export function wordTokenizer(words: readonly string[], tokenPattern: string): TokenizerFiles {
  const digitless = words.filter((word) => !/^[0-9]$/.test(word));
  return buildWordLevel(digitless, { special: SPECIAL, chatTemplate: CHAT_TEMPLATE, tokenPattern });
}

/** Byte-level BPE learned from `texts`: reads any text. */
export function bytePairTokenizer(texts: Iterable<string>, vocabSize: number): TokenizerFiles {
  const { unknown: _, ...special } = SPECIAL;
  return trainBytePairEncoding(texts, { vocabSize, special, chatTemplate: CHAT_TEMPLATE });
}
