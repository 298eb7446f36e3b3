/** A pair of symbols and how often it was seen. */
export interface PairEntry {
  pair: number;
  count: number;
}

function before(a: PairEntry, b: PairEntry): boolean {
  return a.count !== b.count ? a.count > b.count : a.pair < b.pair;
}

/** A max-heap of symbol pairs by count; equal counts give the smaller pair first. Entries may be out of date. */
export class PairQueue {
  private readonly heap: PairEntry[] = [];

  /** In O(log n). */
  push(entry: PairEntry): void {
    const heap = this.heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!before(entry, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = entry;
  }

  /** The first pair, in O(log n); undefined where none is left. */
  pop(): PairEntry | undefined {
    const heap = this.heap;
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}
