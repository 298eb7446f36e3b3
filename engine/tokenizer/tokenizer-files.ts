/** The two files that make a tokenizer: `tokenizer.json` and `tokenizer_config.json`. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeDurably } from '../checkpoint/files.js';
import { TextTokenizer } from './tokenizer.js';

/** Special tokens of a tokenizer we build; each gets an id of its own, in this order, before all other tokens. */
export interface SpecialTokens {
  /** Ends every completion. */
  endOfText: string;
  /** Fills short rows. */
  padding: string;
  /** Stands for words a word-level vocabulary lacks; byte-level vocabularies lack nothing. */
  unknown?: string;
  /** Markers of the chat template and the like. */
  others?: readonly string[];
}

export interface TokenizerFiles {
  /** Content of `tokenizer.json`. */
  tokenizer: object;
  /** Content of `tokenizer_config.json`. */
  config: object;
}

/** All special tokens in id order. */
export function listSpecialTokens({ padding, endOfText, unknown, others = [] }: SpecialTokens): string[] {
  const all = [padding, endOfText, ...(unknown === undefined ? [] : [unknown]), ...others];
  if (new Set(all).size !== all.length) throw new Error(`special tokens must differ: ${all.join(' ')}`);
  return all;
}

/** An entry of `added_tokens`, which is found as it stands. */
export function addedToken(content: string, id: number, special = true): object {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special };
}

/** The entries of `added_tokens` for special tokens with ids from 0. */
export function addedTokens(tokens: readonly string[]): object[] {
  return tokens.map((content, id) => addedToken(content, id));
}

/** The part that spells text as bytes. @param useRegex whether it splits words, too */
export function byteLevel(useRegex: boolean): object {
  return { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: useRegex };
}

/** `model` of a tokenizer without anything unusual, but for `vocab` and `merges`. */
export const PLAIN_BPE = {
  type: 'BPE',
  dropout: null,
  unk_token: null,
  continuing_subword_prefix: null,
  end_of_word_suffix: null,
  fuse_unk: false,
  byte_fallback: false,
};

/** The content of `tokenizer_config.json`. */
export function tokenizerConfig(special: SpecialTokens, chatTemplate: string | undefined): object {
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: null,
    eos_token: special.endOfText,
    pad_token: special.padding,
    unk_token: special.unknown ?? null,
    additional_special_tokens: [...(special.others ?? [])],
    clean_up_tokenization_spaces: false,
    ...(chatTemplate === undefined ? {} : { chat_template: chatTemplate }),
  };
}

/** The files of a directory, the chat template in the configuration wherever it was. */
export function readTokenizer(dir: string): TokenizerFiles {
  const { config } = TextTokenizer.load(dir);
  return { tokenizer: JSON.parse(readFileSync(join(dir, 'tokenizer.json'), 'utf8')) as object, config };
}

/** Write the files into `dir`, which is made if needed. The same content gives the same bytes. */
export function writeTokenizer(dir: string, files: TokenizerFiles): void {
  mkdirSync(dir, { recursive: true });
  writeDurably(join(dir, 'tokenizer.json'), `${JSON.stringify(files.tokenizer, null, 1)}\n`);
  writeDurably(join(dir, 'tokenizer_config.json'), `${JSON.stringify(files.config, null, 2)}\n`);
}
