/** The verdicts of two simple reference judges as records, and synthetic verdicts from published counts. */
import type { RecordVerdict, StyleLevel, VerdictRecord } from '../../benchmarks/index.js';
import { sharedLines } from './shared-data.js';

export const REFERENCE_JUDGES = ['longer', 'noisy-oracle'] as const;
export type ReferenceJudge = (typeof REFERENCE_JUDGES)[number];

type Letter = 'A' | 'B';

interface RmBenchRow {
  domain: string;
  id: number;
  chosen_at: Letter[][];
  verdict: RecordVerdict[][];
  matrix: number[][];
}

export function rmBenchVerdicts(judge: ReferenceJudge): VerdictRecord[] {
  const levels: StyleLevel[] = [0, 1, 2];
  return sharedLines<RmBenchRow>('expected', `rm-bench-${judge}.jsonl`).flatMap((row) =>
    levels.flatMap((chosenStyle) =>
      levels.map((rejectedStyle) => ({
        benchmark: 'rm-bench' as const,
        subset: row.domain,
        id: String(row.id),
        chosenStyle,
        rejectedStyle,
        gold: row.chosen_at[chosenStyle]![rejectedStyle]!,
        verdict: row.verdict[chosenStyle]![rejectedStyle]!,
      })),
    ),
  );
}

interface RmbRow {
  id?: string;
  group?: string;
  loser?: number;
  category: string;
  chosen_at: Letter;
  verdict: RecordVerdict;
}

export function rmbVerdicts(judge: ReferenceJudge): VerdictRecord[] {
  return ['pairwise-helpfulness', 'pairwise-harmlessness', 'bon-helpfulness', 'bon-harmlessness'].flatMap(
    (section) =>
      sharedLines<RmbRow>('expected', `rmb-${section}-${judge}.jsonl`).map((row) => ({
        benchmark: 'rmb' as const,
        subset: row.category,
        id: (row.id ?? row.group)!,
        ...(row.group !== undefined && { group: row.group, rival: String(row.loser) }),
        gold: row.chosen_at,
        verdict: row.verdict,
      })),
  );
}

/** `right` of `total` verdicts right, the others wrong, with the chosen answer at A and B in turn. */
export function verdictsWith(
  identity: Pick<VerdictRecord, 'benchmark' | 'subset'>,
  right: number,
  total: number,
): VerdictRecord[] {
  return Array.from({ length: total }, (_, index) => {
    const gold: Letter = index % 2 === 0 ? 'A' : 'B';
    const other: Letter = gold === 'A' ? 'B' : 'A';
    return { ...identity, id: String(index), gold, verdict: index < right ? gold : other };
  });
}
