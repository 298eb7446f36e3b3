/** One comparison of a published benchmark, whatever file it came from. */
import { createHash } from 'node:crypto';
import type { BenchmarkName } from './names.js';

/** Style of an RM-Bench answer: 0 concise, 1 detailed plain text, 2 detailed with markdown. */
export type StyleLevel = 0 | 1 | 2;

/** What tells one item of a benchmark from every other; the fields that a verdict record repeats. */
export interface ItemIdentity {
  benchmark: BenchmarkName;
  /**
   * RewardBench: one of its 23 subsets. RM-Bench: `chat`, `code`, `math`, `safety-refuse`, `safety-response`.
   * RMB: the category path, which begins with `Pairwise_set/` or `BoN_set/`.
   */
  subset: string;
  /** Id of the source record; RM-Bench repeats ids across subsets. Best-of-N: the list's uid. */
  id: string;
  /** RM-Bench only: which of the three chosen and of the three rejected answers stand in this comparison. */
  chosenStyle?: StyleLevel;
  rejectedStyle?: StyleLevel;
  /** RMB best-of-N only: the list, and which of its losers stands against its best answer (index from 0). */
  group?: string;
  rival?: string;
}

/** A turn of the conversation that both answers reply to. */
export interface BenchmarkMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/** A comparison to be judged: the chosen answer is the better one by the benchmark. */
export interface BenchmarkItem extends ItemIdentity {
  /** {@link itemKey}: stable across machines and releases, joins items with verdicts. */
  key: string;
  /** Ends with a user turn. */
  conversation: BenchmarkMessage[];
  chosen: string;
  rejected: string;
}

/**
 * The stable key of an item: `benchmark/subset/id`, then `/chosenStyle-rejectedStyle` for RM-Bench and `/rival` for
 * best-of-N, where the list stands in place of the id.
 */
export function itemKey(item: ItemIdentity): string {
  const { benchmark, subset, id, chosenStyle, rejectedStyle, group, rival } = item;
  const cell = chosenStyle === undefined ? '' : `/${chosenStyle}-${rejectedStyle}`;
  return `${benchmark}/${subset}/${group ?? id}${cell}${rival === undefined ? '' : `/${rival}`}`;
}

/**
 * Where the chosen answer stands when each item is shown once: a fair coin that depends on key and seed alone, so
 * that every judge sees the same orders and a resumed evaluation goes on with them.
 */
export function goldPosition(key: string, seed: number): 'A' | 'B' {
  return createHash('sha256').update(`order ${seed} ${key}`).digest()[0]! < 128 ? 'A' : 'B';
}
