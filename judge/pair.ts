/** A preference pair: the unit every stage of the pipeline works on (RM-R1, section 2). */

/** One turn of a conversation. */
export interface Message {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/** Position of an answer in the judge's prompt. */
export type Position = 'A' | 'B';

/**
 * One conversation with a preferred and a rejected reply.
 * `conversation` ends with a user turn; `chosen` and `rejected` are the final assistant replies only.
 */
export interface Pair {
  /** Stable key: the user's id, or a hash of the content. */
  id: string;
  conversation: Message[];
  chosen: string;
  rejected: string;
  /** Section or subset the pair is reported under, for example `reasoning/add`. */
  category: string;
  /** Strength of the preference, 1 (slight) to 3 (strong); only scalar reward models use it. */
  magnitude?: number;
  /** Style level of each answer (0 concise, 1 detailed, 2 detailed with markup), where the data knows it. */
  styles?: { chosen: number; rejected: number };
  /** Items that differ only in style share a group: the 3×3 cells of an RM-Bench-like matrix. */
  group?: string;
}

/** A pair laid out for a judge: which reply stands at A, which at B, and the gold verdict. */
export interface PresentedPair {
  pair: Pair;
  answerA: string;
  answerB: string;
  gold: Position;
}

/** Lay `pair` out so that the chosen answer stands at `gold`. */
export function present(pair: Pair, gold: Position): PresentedPair {
  return gold === 'A'
    ? { pair, answerA: pair.chosen, answerB: pair.rejected, gold }
    : { pair, answerA: pair.rejected, answerB: pair.chosen, gold };
}
