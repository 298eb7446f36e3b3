import type { Item, Kind } from './kinds/kind.js';
import { unitOf } from './random.js';
import type { Draws } from './random.js';

/** `train` also serves the warm-up of the base model. */
export type Split = 'train' | 'validation' | 'test';

/**
 * The split that a problem belongs to, by a hash of its key alone: it is the same for every seed, so no run can see a
 * held-out problem in training, whatever it is seeded with.
 */
export function splitOf(key: string): Split {
  const at = unitOf(`split:${key}`);
  if (at < 0.65) return 'train';
  return at < 0.75 ? 'validation' : 'test';
}

/** Draw problems until one belongs to `split`. */
export function drawFrom(kind: Kind, split: Split, draws: Draws): Item {
  for (;;) {
    const item = kind.draw(draws);
    if (splitOf(item.key) === split) return item;
  }
}
