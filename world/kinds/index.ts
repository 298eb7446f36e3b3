import { add, subtract } from './arithmetic.js';
import { tone, topic } from './chat.js';
import { avoid, count, list, memory } from './chat-hard.js';
import type { Kind } from './kind.js';
import { compare, max, min, sort } from './order.js';
import { benign, refuse } from './safety.js';

/** Every kind of problem of the world. Categories read `section/kind`, with RewardBench's four sections. */
export const KINDS: readonly Kind[] = [
  tone,
  topic,
  list,
  count,
  avoid,
  memory,
  refuse,
  benign,
  add,
  subtract,
  max,
  min,
  compare,
  sort,
];

export function kindOf(category: string): Kind {
  const kind = KINDS.find((candidate) => candidate.category === category);
  if (kind === undefined) throw new RangeError(`The world has no category "${category}".`);
  return kind;
}

/** `reasoning` of `reasoning/add`. */
export function sectionOf(category: string): string {
  return category.split('/', 1)[0] ?? category;
}
