/**
 * Packing: several short sequences share a row of a training batch, each seeing only itself. Rows come in few static
 * lengths, so few graphs serve all batches and little is spent on padding.
 */

/** Where a sequence lies in a micro-batch. */
export interface Placement {
  /** Index of the sequence. */
  sequence: number;
  row: number;
  /** First token within the row. */
  offset: number;
}

/** One run of a training graph: `rows` rows of `length` tokens. */
export interface MicroBatch {
  rows: number;
  length: number;
  placements: Placement[];
}

interface OpenRow {
  length: number;
  free: number;
  sequences: number[];
}

const SHORTEST_ROW = 128;

/** Static row lengths in predicted positions: 128, 192, 256, 384, 512, 768, … */
export function rowLength(positions: number): number {
  let length = SHORTEST_ROW;
  while (length < positions) length = length % 3 === 0 ? (length / 3) * 4 : (length / 2) * 3;
  return length;
}

/**
 * Pack sequences (best fit, longest first) and split the rows into micro-batches of at most `maxTokens` tokens, or one
 * row where a row is longer. Deterministic: depends on the sizes (tokens of each sequence) and the limit alone.
 * @param positions predicted positions of every row, at least those of the longest sequence; default: by the sequences in it
 */
export function packSequences(sizes: readonly number[], maxTokens: number, positions?: number): MicroBatch[] {
  const order = sizes.map((_, index) => index).sort((a, b) => sizes[b]! - sizes[a]! || a - b);
  const rows: OpenRow[] = [];
  for (const sequence of order) {
    const tokens = sizes[sequence]!;
    let best: OpenRow | undefined;
    for (const row of rows)
      if (row.free >= tokens && (best === undefined || row.free < best.free)) best = row;
    if (best === undefined) {
      // A row predicts every token but its first, so it holds one token more than it has positions.
      const length = (positions ?? rowLength(tokens - 1)) + 1;
      rows.push((best = { length, free: length, sequences: [] }));
    }
    best.sequences.push(sequence);
    best.free -= tokens;
  }
  const byLength = new Map<number, OpenRow[]>();
  for (const row of rows) {
    const members = byLength.get(row.length);
    if (members) members.push(row);
    else byLength.set(row.length, [row]);
  }
  return [...byLength].flatMap(([length, members]) => {
    const most = Math.max(1, Math.floor(maxTokens / length));
    const count = Math.ceil(members.length / most);
    return Array.from({ length: count }, (_, i) => {
      const from = Math.floor((i * members.length) / count);
      const to = Math.floor(((i + 1) * members.length) / count);
      return layOut(members.slice(from, to), length, sizes);
    });
  });
}

function layOut(rows: readonly OpenRow[], length: number, sizes: readonly number[]): MicroBatch {
  const placements = rows.flatMap(({ sequences }, row) => {
    let offset = 0;
    return sequences.map((sequence) => {
      const placement = { sequence, row, offset };
      offset += sizes[sequence]!;
      return placement;
    });
  });
  return { rows: rows.length, length, placements };
}
