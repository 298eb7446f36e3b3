/** Training pairs that a benchmark asks about too: a judge that has seen its items is not measured by it. */
import type { BenchmarkItem } from '../../../benchmarks/index.js';
import type { Message } from '../../../judge/pair.js';
import { hashOf, normaliseText } from '../normalise.js';

/** Words of a run that two texts must share (GPT-3, Brown et al. 2020, appendix C). */
const RUN_OF_WORDS = 13;

export type Contamination = 'question' | 'answer' | 'passage';

/** What benchmark items say, under keys that survive changes of case, spacing and punctuation. */
export class BenchmarkTexts {
  private readonly questions = new Set<string>();
  private readonly answers = new Set<string>();
  private readonly passages = new Set<string>();

  constructor(items: Iterable<Pick<BenchmarkItem, 'conversation' | 'chosen' | 'rejected'>>) {
    for (const { conversation, chosen, rejected } of items) {
      const turns = userTurns(conversation);
      this.questions.add(keyOf(...turns));
      for (const turn of turns) for (const passage of runsOfWords(turn)) this.passages.add(passage);
      for (const answer of [chosen, rejected]) if (isLong(answer)) this.answers.add(keyOf(answer));
    }
  }

  /**
   * What a pair shares with an item, if anything: all that the user says; a whole answer of at least 13 words; or 13
   * consecutive words of the user.
   */
  sharedWith(pair: {
    conversation: readonly Message[];
    chosen: string;
    rejected: string;
  }): Contamination | undefined {
    const turns = userTurns(pair.conversation);
    if (this.questions.has(keyOf(...turns))) return 'question';
    if ([pair.chosen, pair.rejected].some((answer) => this.answers.has(keyOf(answer)))) return 'answer';
    for (const turn of turns) {
      for (const passage of runsOfWords(turn)) if (this.passages.has(passage)) return 'passage';
    }
    return undefined;
  }
}

function userTurns(conversation: readonly { role: string; content: string }[]): string[] {
  return conversation.filter(({ role }) => role === 'user').map(({ content }) => content);
}

function keyOf(...texts: string[]): string {
  return hashOf(...texts.map(normaliseText));
}

function isLong(text: string): boolean {
  return wordsOf(text).length >= RUN_OF_WORDS;
}

function wordsOf(text: string): string[] {
  return normaliseText(text).match(/[\p{L}\p{N}]+/gu) ?? [];
}

function* runsOfWords(text: string): Generator<string> {
  const words = wordsOf(text);
  for (let from = 0; from + RUN_OF_WORDS <= words.length; from++)
    yield words.slice(from, from + RUN_OF_WORDS).join(' ');
}
