/** The byte-level BPE tokenizer inside a GGUF file, as the two files of Hugging Face's layout. */
import { badData } from '../errors.js';
import { addedToken, byteLevel, PLAIN_BPE, type TokenizerFiles } from '../tokenizer/tokenizer-files.js';
import type { GgufFile } from './gguf-file.js';

/** `tokenizer.ggml.token_type`: control tokens are special, user-defined ones are matched whole. */
const CONTROL = 3;
const USER_DEFINED = 4;

const splitBy = (pattern: string): object => ({
  type: 'Sequence',
  pretokenizers: [
    { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false },
    byteLevel(false),
  ],
});
const wordsAndDigits = (digits: string): string =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

/** How texts are cut before the merges, by `tokenizer.ggml.pre`. */
const PRE_TOKENIZERS: Readonly<Record<string, { normalizer: object | null; preTokenizer: object }>> = {
  'gpt-2': { normalizer: null, preTokenizer: byteLevel(true) },
  smollm: {
    normalizer: null,
    preTokenizer: {
      type: 'Sequence',
      pretokenizers: [{ type: 'Digits', individual_digits: true }, byteLevel(true)],
    },
  },
  'llama-bpe': { normalizer: null, preTokenizer: splitBy(wordsAndDigits('\\p{N}{1,3}')) },
  qwen2: { normalizer: { type: 'NFC' }, preTokenizer: splitBy(wordsAndDigits('\\p{N}')) },
};

/** @throws EngineError (bad data) for tokenizers of another kind, or where the parts do not fit together. */
export function ggufTokenizer(file: GgufFile): TokenizerFiles {
  const model = file.get('tokenizer.ggml.model', 'string');
  const pre = file.find('tokenizer.ggml.pre', 'string') ?? 'gpt-2';
  const cut = Object.hasOwn(PRE_TOKENIZERS, pre) ? PRE_TOKENIZERS[pre] : undefined;
  if (model !== 'gpt2' || !cut)
    throw badData(
      `${file.path}: tokenizer ${model}/${pre} cannot be imported; known are gpt2/${Object.keys(PRE_TOKENIZERS).join(', gpt2/')}: use a directory with tokenizer.json instead`,
    );
  const tokens = file.get('tokenizer.ggml.tokens', 'strings');
  const types = file.get('tokenizer.ggml.token_type', 'numbers');
  if (types.length !== tokens.length)
    throw badData(`${file.path}: ${tokens.length} tokens, but ${types.length} token types`);
  const tokenOf = (key: string): string | null => {
    const id = file.find(`tokenizer.ggml.${key}_token_id`, 'number');
    return id === undefined ? null : (tokens[id] ?? null);
  };
  const added = tokens.flatMap((content, id) =>
    types[id] === CONTROL || types[id] === USER_DEFINED
      ? [addedToken(content, id, types[id] === CONTROL)]
      : [],
  );
  const chatTemplate = file.find('tokenizer.chat_template', 'string');
  return {
    tokenizer: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: added,
      normalizer: cut.normalizer,
      pre_tokenizer: cut.preTokenizer,
      post_processor: null,
      decoder: byteLevel(true),
      model: {
        ...PLAIN_BPE,
        vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
        merges: file.get('tokenizer.ggml.merges', 'strings'),
      },
    },
    config: {
      tokenizer_class: 'PreTrainedTokenizerFast',
      add_prefix_space: false,
      bos_token: tokenOf('bos'),
      eos_token: tokenOf('eos'),
      pad_token: tokenOf('padding') ?? tokenOf('eos'),
      unk_token: tokenOf('unknown'),
      clean_up_tokenization_spaces: false,
      ...(chatTemplate === undefined ? {} : { chat_template: chatTemplate }),
    },
  };
}
