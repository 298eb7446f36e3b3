import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { trainBytePairEncoding } from '../../engine/tokenizer/bpe-trainer.js';
import { renderPrompt } from '../../engine/tokenizer/chat.js';
import { TextTokenizer } from '../../engine/tokenizer/tokenizer.js';
import type { TokenizerFiles } from '../../engine/tokenizer/tokenizer-files.js';
import { buildWordLevel } from '../../engine/tokenizer/word-level.js';

const special = { padding: '<|pad|>', endOfText: '<|end|>', others: ['<|user|>'] };
const corpus = [
  'the cat sat on the mat, the cats sat on the mats; that was 12 or 120 times.',
  "Überraschung! naïve café 東京 🎉🎉 — they’re here, they're not\n\n  indented\tand\ttabs  ",
  'aaaa aaa aa a abab ababab',
  '<|user|>the the the<|end|>',
];
const open = (files: TokenizerFiles) =>
  TextTokenizer.parse(JSON.stringify(files.tokenizer), JSON.stringify(files.config));
const trained = trainBytePairEncoding(corpus, { vocabSize: 320, special });
const bpe = open(trained);

describe('byte-level BPE', () => {
  it('gives any text back, whatever bytes it holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        expect(bpe.decode(bpe.encode(text), { keepSpecial: true })).toBe(text);
      }),
      { numRuns: 500 },
    );
    for (const text of [...corpus, '\uFEFFbom', '', ' ', '\u0085x', '٣४'])
      expect(bpe.decode(bpe.encode(text), { keepSpecial: true })).toBe(text);
  });

  it('is the same file for the same texts and settings', () => {
    expect(trainBytePairEncoding(corpus, { vocabSize: 320, special })).toEqual(trained);
  });

  it('learns the merges and ids of the reference trainer (Hugging Face tokenizers 0.23, BpeTrainer)', () => {
    const { model } = trainBytePairEncoding(corpus.slice(0, 3), {
      vocabSize: 275,
      special: { padding: '<|pad|>', endOfText: '<|end|>' },
      splitDigits: false,
    }).tokenizer as { model: { merges: string[]; vocab: Record<string, number> } };
    expect(model.merges).toEqual(REFERENCE_MERGES);
    expect(model.vocab['Ġ']).toBe(REFERENCE_SPACE_ID);
  });

  it('keeps special tokens whole, and leaves them out of decoded text', () => {
    const ids = bpe.encode('<|user|>the cat<|end|>');
    expect(ids[0]).toBe(bpe.tokenId('<|user|>'));
    expect(ids.at(-1)).toBe(bpe.endOfText);
    expect(bpe.decode(ids)).toBe('the cat');
    expect(bpe.decode([bpe.endOfText, bpe.padding])).toBe('');
  });

  it('keeps every digit a token when digits are split', () => {
    expect(bpe.encode('120').length).toBe(3);
  });

  it('refuses a vocabulary too small for the bytes', () => {
    expect(() => trainBytePairEncoding(corpus, { vocabSize: 200, special })).toThrow(
      /vocabSize 200 is too small/,
    );
  });
});

describe('word-level vocabulary', () => {
  const words = ['<solution>', '</solution>', 'so', '+', '=', '[[A]]', '[[B]]', 'ok'];
  const files = buildWordLevel(words, { special: { ...special, unknown: '<unk>' } });
  const tokenizer = open(files);

  it('splits numbers into digits and marks unknown words', () => {
    const ids = tokenizer.encode('<solution> 41 + 3 = 44 what </solution>');
    expect(tokenizer.decode(ids, { keepSpecial: true })).toBe('<solution> 4 1 + 3 = 4 4 <unk> </solution>');
    expect(tokenizer.decode(ids)).toBe('<solution> 4 1 + 3 = 4 4 </solution>');
  });

  it('gives any sequence of its words back', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...words, '7', '0')), (sequence) => {
        const text = sequence.join(' ');
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
      }),
    );
  });

  it('refuses words that the splitting rules would break up', () => {
    const build = (word: string) => () =>
      buildWordLevel([word], { special: { ...special, unknown: '<unk>' } });
    expect(build('a1')).toThrow(/digit/);
    expect(build('a b')).toThrow(/space/);
    expect(build('<unk>')).toThrow(/twice/);
  });
});

describe('tokenizer files of a user', () => {
  it('names what is wrong with them', () => {
    const json = JSON.stringify(trained.tokenizer);
    expect(() => TextTokenizer.parse('{', '{}', 'dir')).toThrow('dir/tokenizer.json is not JSON');
    expect(() => TextTokenizer.parse('{}', '{}', 'dir')).toThrow('dir/tokenizer.json: model is malformed');
    expect(() => TextTokenizer.parse(json, '{}', 'dir')).toThrow(/eos_token is missing/);
    expect(() => TextTokenizer.load('/nonexistent')).toThrow(/tokenizer.json is missing/);
  });

  it('accepts token objects as well as strings in the configuration', () => {
    const config = JSON.stringify({ eos_token: { content: '<|end|>', lstrip: false } });
    expect(TextTokenizer.parse(JSON.stringify(trained.tokenizer), config).endOfText).toBe(bpe.endOfText);
  });
});

describe('chat rendering', () => {
  const template =
    "{% for m in messages %}{{ '<|' + m.role + '|>' + m.content + eos_token }}{% endfor %}" +
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}";

  it('ends where the assistant begins', () => {
    const config = { eos_token: '<|end|>', chat_template: template };
    const messages = [
      { role: 'system' as const, content: 'judge' },
      { role: 'user' as const, content: 'A or B' },
    ];
    expect(renderPrompt(config, messages)).toBe('<|system|>judge<|end|><|user|>A or B<|end|><|assistant|>');
    const named = { ...config, chat_template: [{ name: 'default', template }] };
    expect(renderPrompt(named, messages)).toBe(renderPrompt(config, messages));
  });

  it('says so when there is no template, and when the template refuses', () => {
    expect(() => renderPrompt({}, [])).toThrow(/no chat_template/);
    const refusing = { chat_template: "{{ raise_exception('roles must alternate') }}" };
    expect(() => renderPrompt(refusing, [])).toThrow(/roles must alternate/);
  });
});

/** Made by the Python library on the same three texts: BpeTrainer(vocab_size=275, min_frequency=2), byte alphabet. */
const REFERENCE_MERGES = [
  ...[
    'a t',
    'h e',
    'Ġ t',
    'a a',
    'a b',
    'Ġt he',
    'r e',
    'Ġ c',
    'Ġ o',
    'ab ab',
    '1 2',
    'a s',
    'm at',
    'n d',
    's at',
  ],
  ...['â Ģ', 'ð Ł'],
];
const REFERENCE_SPACE_ID = 222;
