import { COMPACT_TAGS } from '../judge/prompt/compact-v1.js';
import { CLASSES, DEEDS, NAMES, PLACES, PLURALS, STANCES, TARGETS, TONES } from './lexicon.js';
import { STYLE_TEXT } from './style.js';
import { worldTokens } from './text.js';

const paired = (names: readonly string[]): string[] => names.flatMap((name) => [`<${name}>`, `</${name}>`]);

/** Tags of prompts and of Chain-of-Rubrics, and the two verdicts: each is one token. */
const TAGS: readonly string[] = [
  ...COMPACT_TAGS,
  ...paired(['type', 'rubric', 'justify', 'solution', 'eval', 'answer']),
  ...paired(['quote_A', 'quote_B', 'summary_A', 'summary_B']),
  '[[A]]',
  '[[B]]',
];
const SIGNS = '.,?:+-=<>#*';

/** Words of questions and replies. */
const TALK = `A a about all and ask broke but buy digits do dropped exactly first Good help How how I is It know
  larger largest left like look lost Many me more my My Name near new not now of often or out people result smaller
  smallest Sort start take Tell That that the The three two to use What Which Who with Work you Your`;

/** Words of judgements and of warm-up documents. */
const JUDGEMENT = `A avoid B bad borrow carry Chat count differ harm help helps kind memory no ok ones polite
  Practice Reasoning refuses rude safe safety same so take tens tone topic vs yes person thing animal food colour tool`;

/**
 * Every token of the world, tags first, without those that a tokenizer adds itself: the ten digits and the special
 * tokens (padding, end of text, unknown). Text falls into tokens by `WORLD_TOKEN_PATTERN`.
 */
export function worldVocabulary(): string[] {
  const groups: readonly (readonly string[])[] = [
    ...Object.values(CLASSES),
    ...Object.values(TARGETS),
    ...Object.values(TONES),
    ...Object.values(STANCES),
    Object.values(PLURALS),
    NAMES,
    PLACES,
    DEEDS,
  ];
  return [
    ...new Set([
      ...TAGS,
      ...SIGNS,
      ...worldTokens([TALK, JUDGEMENT, STYLE_TEXT].join(' ')),
      ...groups.flat(),
    ]),
  ];
}
