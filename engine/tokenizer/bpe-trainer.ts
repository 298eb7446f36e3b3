/**
 * Training of a byte-level byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909; bytes as in GPT-2).
 * Deterministic: the most frequent pair is merged first, and of equally frequent ones the pair of smallest ids.
 */
import { BYTE_CHARACTERS, WORD_PATTERN, spellBytes } from './byte-level.js';
import { PairQueue } from './pair-queue.js';
import {
  addedTokens,
  byteLevel,
  listSpecialTokens,
  PLAIN_BPE,
  tokenizerConfig,
  type SpecialTokens,
  type TokenizerFiles,
} from './tokenizer-files.js';

export interface BpeOptions {
  /** Size of the whole vocabulary: special tokens, 256 bytes, merges. */
  vocabSize: number;
  special: SpecialTokens;
  /** Pairs seen less often are not merged. Default 2. */
  minFrequency?: number;
  /** Keep every digit a token of its own, which small models need for arithmetic. Default true. */
  splitDigits?: boolean;
  chatTemplate?: string;
}

/** A pair of symbol ids as one number; numeric order is the order of (left, right). */
const PAIR_BASE = 2 ** 26;

const DIGIT_BOUNDARY = /[0-9]|[^0-9]+/g;

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Count byte-level words over all texts; special tokens written in a text are left out. */
function countWords(
  texts: Iterable<string>,
  special: readonly string[],
  splitDigits: boolean,
): Map<string, number> {
  const separator = new RegExp(special.map(escapePattern).join('|'), 'u');
  const raw = new Map<string, number>();
  for (const text of texts)
    for (const section of text.split(separator))
      for (const part of splitDigits ? (section.match(DIGIT_BOUNDARY) ?? []) : [section])
        for (const word of part.match(WORD_PATTERN) ?? []) raw.set(word, (raw.get(word) ?? 0) + 1);
  const words = new Map<string, number>();
  for (const [word, count] of raw) words.set(spellBytes(word), count);
  return words;
}

/** The state of training: words as symbol sequences, and where each adjacent pair occurs. */
class Merger {
  private readonly sequences: number[][] = [];
  private readonly wordCounts: number[] = [];
  private readonly pairCounts = new Map<number, number>();
  private readonly pairWords = new Map<number, Set<number>>();
  private readonly queue = new PairQueue();

  constructor(words: ReadonlyMap<string, number>, symbolOf: ReadonlyMap<string, number>) {
    for (const [word, count] of words) {
      const index = this.sequences.push(Array.from(word, (character) => symbolOf.get(character)!)) - 1;
      this.wordCounts.push(count);
      this.addPairs(index, 1);
    }
    for (const [pair, count] of this.pairCounts) this.queue.push({ pair, count });
  }

  private addPairs(word: number, sign: 1 | -1, changed?: Set<number>): void {
    const sequence = this.sequences[word]!;
    const weight = sign * this.wordCounts[word]!;
    for (let i = 0; i + 1 < sequence.length; i++) {
      const pair = sequence[i]! * PAIR_BASE + sequence[i + 1]!;
      this.pairCounts.set(pair, (this.pairCounts.get(pair) ?? 0) + weight);
      if (sign === 1) {
        let where = this.pairWords.get(pair);
        if (where === undefined) this.pairWords.set(pair, (where = new Set()));
        where.add(word);
        changed?.add(pair);
      }
    }
  }

  /** The most frequent pair now, or undefined when none is frequent enough. */
  next(minFrequency: number): { left: number; right: number } | undefined {
    for (let top; (top = this.queue.pop()) !== undefined;) {
      const count = this.pairCounts.get(top.pair) ?? 0;
      if (count !== top.count) {
        if (count > 0) this.queue.push({ pair: top.pair, count });
        continue;
      }
      if (count < minFrequency) return undefined;
      return { left: Math.floor(top.pair / PAIR_BASE), right: top.pair % PAIR_BASE };
    }
    return undefined;
  }

  /** Replace the pair by `merged` in every word that has it. */
  merge(left: number, right: number, merged: number): void {
    const pair = left * PAIR_BASE + right;
    const changed = new Set<number>();
    for (const word of this.pairWords.get(pair) ?? []) {
      const sequence = this.sequences[word]!;
      const shorter: number[] = [];
      for (let i = 0; i < sequence.length; i++) {
        if (sequence[i] === left && sequence[i + 1] === right) {
          shorter.push(merged);
          i++;
        } else shorter.push(sequence[i]!);
      }
      if (shorter.length === sequence.length) continue;
      this.addPairs(word, -1);
      this.sequences[word] = shorter;
      this.addPairs(word, 1, changed);
    }
    this.pairWords.delete(pair);
    this.pairCounts.delete(pair);
    for (const entry of changed) {
      const count = this.pairCounts.get(entry);
      if (count !== undefined && count > 0) this.queue.push({ pair: entry, count });
    }
  }
}

/**
 * Learn a byte-level BPE vocabulary from texts.
 * @returns a standard `tokenizer.json` and its configuration; text that the vocabulary encodes decodes to itself.
 */
export function trainBytePairEncoding(texts: Iterable<string>, options: BpeOptions): TokenizerFiles {
  const { vocabSize, minFrequency = 2, splitDigits = true } = options;
  const special = listSpecialTokens(options.special);
  const alphabet = [...BYTE_CHARACTERS].sort();
  if (vocabSize < special.length + alphabet.length)
    throw new Error(
      `vocabSize ${vocabSize} is too small: ${special.length} special tokens and ${alphabet.length} bytes come first`,
    );
  const symbols = [...special, ...alphabet];
  const symbolOf = new Map(symbols.map((symbol, id) => [symbol, id]));
  const merger = new Merger(countWords(texts, special, splitDigits), symbolOf);
  const merges: string[] = [];
  while (symbols.length < vocabSize) {
    const pair = merger.next(minFrequency);
    if (pair === undefined) break;
    const left = symbols[pair.left]!;
    const right = symbols[pair.right]!;
    // Two merges may spell the same token; it keeps its first id.
    let id = symbolOf.get(left + right);
    if (id === undefined) {
      id = symbols.push(left + right) - 1;
      symbolOf.set(left + right, id);
    }
    merges.push(`${left} ${right}`);
    merger.merge(pair.left, pair.right, id);
  }
  return {
    tokenizer: tokenizerJson(special, Object.fromEntries(symbolOf), merges, splitDigits),
    config: tokenizerConfig(options.special, options.chatTemplate),
  };
}

function tokenizerJson(
  special: readonly string[],
  vocab: Record<string, number>,
  merges: readonly string[],
  splitDigits: boolean,
): object {
  const bytes = byteLevel(true);
  const digits = { type: 'Split', pattern: { Regex: '[0-9]' }, behavior: 'Isolated', invert: false };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: addedTokens(special),
    normalizer: null,
    pre_tokenizer: splitDigits ? { type: 'Sequence', pretokenizers: [digits, bytes] } : bytes,
    post_processor: null,
    decoder: bytes,
    model: {
      ...PLAIN_BPE,
      ignore_merges: false,
      vocab,
      merges,
    },
  };
}
