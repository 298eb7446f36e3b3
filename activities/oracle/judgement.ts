/** One line of a shard's answers: what the oracle said about a pair, and what became of it. */
import type { PresentedPair, Position } from '../../judge/pair.js';
import { ORACLE_WINDOW, oracleAgrees } from '../../judge/reward.js';
import { finalVerdict, otherPosition, parseVerdict } from '../../judge/verdict.js';
import type { OracleAnswer } from './answer-cache.js';

/** Why a judgement is no trace. */
export type Flaw =
  /** The other answer is preferred at the end. */
  | 'wrong-verdict'
  /** There is a verdict, but not at the end, where the filter (and the student's reward) looks for it. */
  | 'misplaced-verdict'
  /** No verdict, or both. */
  | 'unparsable'
  /** The token limit came before the verdict. */
  | 'cut'
  | 'empty'
  /** The provider's content policy. */
  | 'refused'
  /** The prompt does not fit the model's context. */
  | 'too-long'
  /** Far longer than any limit that was set: not an answer to be kept whole. */
  | 'oversized';

/** Flaws that a second oracle can mend, given the judgement and the gold verdict. */
const CORRECTABLE: readonly Flaw[] = ['wrong-verdict', 'misplaced-verdict', 'unparsable', 'cut'];

export interface OracleJudgement {
  pairId: string;
  category: string;
  gold: Position;
  pass: 1 | 2;
  model: string;
  text: string;
  agreed: boolean;
  /** Absent where it agreed. */
  flaw?: Flaw;
  finishReason: string;
  inputTokens: number;
  outputTokens: number;
  usd: number;
  /** Taken from the store rather than asked now. */
  cached: boolean;
  /** Every sample of the student was right: there is nothing to learn from it. */
  mastered?: boolean;
  fingerprint?: string;
}

/** Longest text that is kept, in characters; what an oracle babbles beyond it teaches nobody. */
const LONGEST_TEXT = 256 * 1024;

/** `answer` without what would only fill the store. */
export function boundedAnswer<T extends Pick<OracleAnswer, 'text' | 'finishReason'>>(answer: T): T {
  if (answer.text.length <= LONGEST_TEXT) return answer;
  return { ...answer, text: answer.text.slice(0, 4096), finishReason: 'oversized' };
}

/** Judge the judgement: RM-R1 keeps what ends in the gold verdict. */
export function judgementOf(
  { pair, gold }: PresentedPair,
  asked: { pass: 1 | 2; model: string; cached: boolean },
  { text, finishReason, inputTokens, outputTokens, usd, fingerprint }: Omit<OracleAnswer, 'paidBy'>,
): OracleJudgement {
  const flaw = flawOf(text, finishReason, gold);
  return {
    pairId: pair.id,
    category: pair.category,
    gold,
    pass: asked.pass,
    model: asked.model,
    text,
    agreed: flaw === undefined,
    ...(flaw === undefined ? {} : { flaw }),
    finishReason,
    inputTokens,
    outputTokens,
    usd,
    cached: asked.cached,
    ...(fingerprint ? { fingerprint } : {}),
  };
}

/** Whether pass 2 can make something of a judgement of pass 1. */
export function isCorrectable({ flaw }: OracleJudgement): boolean {
  return flaw !== undefined && CORRECTABLE.includes(flaw);
}

function flawOf(text: string, finishReason: string, gold: Position): Flaw | undefined {
  if (finishReason === 'content_filter') return 'refused';
  if (finishReason === 'context_length') return 'too-long';
  if (finishReason === 'oversized') return 'oversized';
  if (oracleAgrees(text, gold)) return undefined;
  if (text.trim() === '') return 'empty';
  if (finalVerdict(text, ORACLE_WINDOW) === otherPosition(gold)) return 'wrong-verdict';
  if (finishReason === 'length') return 'cut';
  const anywhere = parseVerdict(text);
  return anywhere === 'none' || anywhere === 'both' ? 'unparsable' : 'misplaced-verdict';
}
