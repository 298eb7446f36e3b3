/** In which orders items are shown. */
import type { BenchmarkItem } from '../../benchmarks/index.js';
import { goldPosition } from '../../benchmarks/index.js';
import type { Position } from '../../judge/pair.js';
import type { ResolvedBenchmarkInput } from '../../workflows/benchmark-input.js';

/** An item with its better answer at `gold`. */
export interface Presentation {
  item: BenchmarkItem;
  gold: Position;
}

/** `one`: each item once, the place of its better answer drawn by key and seed; `both`: each item twice, side by side. */
export function presentationsOf(
  items: readonly BenchmarkItem[],
  { mode, seed }: ResolvedBenchmarkInput['orders'],
): Presentation[] {
  return items.flatMap((item) => {
    const places: Position[] = mode === 'both' ? ['A', 'B'] : [goldPosition(item.key, seed)];
    return places.map((gold) => ({ item, gold }));
  });
}
