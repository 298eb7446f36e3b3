import type { Pair } from '../judge/pair.js';
import { kindOf } from './kinds/index.js';
import type { Item } from './kinds/kind.js';
import { TEST_MIX, TRAIN_MIX, apportion } from './mix.js';
import type { Mix } from './mix.js';
import { Draws, fingerprint } from './random.js';
import { drawFrom } from './split.js';
import type { Split } from './split.js';
import { STYLES, render } from './style.js';

export interface WorldOptions {
  seed: number;
  /** Pairs of each split. */
  train: number;
  validation: number;
  test: number;
  /** Problems of the style matrix, nine pairs each; they are test problems that `test` does not contain. */
  matrix?: number;
  /** Shares of the categories; default: {@link TRAIN_MIX} and, for validation, test and matrix, {@link TEST_MIX}. */
  trainMix?: Mix;
  testMix?: Mix;
}

export interface World {
  train: Pair[];
  validation: Pair[];
  test: Pair[];
  /** For each problem (`group`) the 3 × 3 cells: styles of the chosen answer × styles of the rejected one. */
  matrix: Pair[];
}

/** Problems that one split may look at before it counts as exhausted. */
const ATTEMPTS = 500;

/** Held-out problems never repeat; training may meet a problem again with other replies. */
function identityOf({ key, conversation, good, bad }: Item, split: Split): string {
  return JSON.stringify(split === 'train' ? [conversation, good, bad] : [key, conversation]);
}

/** Different problems of one split, in an order that mixes the categories. */
function items(
  seed: number,
  name: keyof World,
  split: Split,
  total: number,
  mix: Mix,
  used: Set<string>,
): { item: Item; category: string }[] {
  const list = [...apportion(total, mix)].flatMap(([category, count]) => {
    const kind = kindOf(category);
    return Array.from({ length: count }, (_, i) => {
      const draws = new Draws(seed, name, category, i);
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const item = drawFrom(kind, split, draws);
        const identity = identityOf(item, split);
        if (used.has(identity)) continue;
        used.add(identity);
        return { item, category };
      }
      throw new RangeError(
        `The world does not hold ${String(total)} different ${split} pairs with ${String(count)} of ${category}; ask for fewer.`,
      );
    });
  });
  return new Draws(seed, name, 'order').sample(list, list.length);
}

function pairOf(item: Item, category: string, chosen: string, rejected: string): Pair {
  const id = `${category}/${fingerprint(JSON.stringify([item.conversation, chosen, rejected]))}`;
  return { id, conversation: item.conversation, chosen, rejected, category };
}

/** One pair a problem; the styles of both answers are independent of which one is right. */
function styled(seed: number, { item, category }: { item: Item; category: string }): Pair {
  const draws = new Draws(seed, 'style', JSON.stringify([item.conversation, item.good, item.bad]));
  const styles = { chosen: draws.pick(STYLES), rejected: draws.pick(STYLES) };
  const chosen = render(item.good, styles.chosen, draws);
  const rejected = render(item.bad, styles.rejected, draws);
  return { ...pairOf(item, category, chosen, rejected), styles };
}

/** The nine cells of one problem; a rendering is the same text in every cell it appears in. */
function cells(seed: number, { item, category }: { item: Item; category: string }): Pair[] {
  const group = fingerprint(item.key + item.good + item.bad);
  const draws = new Draws(seed, 'matrix-style', group);
  const chosen = STYLES.map((style) => render(item.good, style, draws));
  const rejected = STYLES.map((style) => render(item.bad, style, draws));
  return STYLES.flatMap((row) =>
    STYLES.map((column) => ({
      ...pairOf(item, category, chosen[row] ?? '', rejected[column] ?? ''),
      styles: { chosen: row, rejected: column },
      group,
    })),
  );
}

/**
 * Make a preference world. The same options give the same bytes. No problem is in two splits.
 * @throws RangeError if a split asks for more different pairs than there are.
 */
export function generateWorld(options: WorldOptions): World {
  const { seed, trainMix = TRAIN_MIX, testMix = TEST_MIX } = options;
  const heldOut = new Set<string>();
  const test = items(seed, 'test', 'test', options.test, testMix, heldOut);
  const matrix = items(seed, 'matrix', 'test', options.matrix ?? 0, testMix, heldOut);
  return {
    train: items(seed, 'train', 'train', options.train, trainMix, new Set()).map((one) => styled(seed, one)),
    validation: items(seed, 'validation', 'validation', options.validation, testMix, new Set()).map((one) =>
      styled(seed, one),
    ),
    test: test.map((one) => styled(seed, one)),
    matrix: matrix.flatMap((one) => cells(seed, one)),
  };
}
