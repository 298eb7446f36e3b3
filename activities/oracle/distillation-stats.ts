/** The figures of a distillation: where the oracle agrees with the labels, and what a trace costs. */
import type { Trace } from './filter-traces.js';
import type { OracleJudgement } from './judge-with-oracle.js';

export interface DistillationStats {
  judged: number;
  /** Share of pass 1 that ends in the gold verdict. */
  agreement: number;
  agreementByCategory: Record<string, { judged: number; agreed: number }>;
  /** Pass 2: asked, and corrected to the gold verdict. */
  corrected: { asked: number; agreed: number };
  traces: { direct: number; hinted: number };
  hintedShare: number;
  /** Share of traces whose gold verdict is A: alternation keeps it near one half. */
  goldAtA: number;
  meanTraceCharacters: number;
  costUsd: number;
  costPerTraceUsd: number;
  answeredFromCache: number;
  /** Fingerprints the provider gave, with counts; the local oracle says here where its verdicts came from. */
  fingerprints: Record<string, number>;
}

export function distillationStats(
  first: OracleJudgement[],
  second: OracleJudgement[],
  traces: Trace[],
  costUsd: number,
): DistillationStats {
  const agreementByCategory: DistillationStats['agreementByCategory'] = {};
  for (const { category, agreed } of first) {
    const entry = (agreementByCategory[category] ??= { judged: 0, agreed: 0 });
    entry.judged += 1;
    if (agreed) entry.agreed += 1;
  }
  const fingerprints: Record<string, number> = {};
  for (const { fingerprint } of [...first, ...second]) {
    if (fingerprint) fingerprints[fingerprint] = (fingerprints[fingerprint] ?? 0) + 1;
  }
  const hinted = traces.filter(({ source }) => source === 'hinted').length;
  const count = Math.max(1, traces.length);
  return {
    judged: first.length,
    agreement: first.filter(({ agreed }) => agreed).length / Math.max(1, first.length),
    agreementByCategory,
    corrected: { asked: second.length, agreed: second.filter(({ agreed }) => agreed).length },
    traces: { direct: traces.length - hinted, hinted },
    hintedShare: hinted / count,
    goldAtA: traces.filter(({ gold }) => gold === 'A').length / count,
    meanTraceCharacters: traces.reduce((sum, { text }) => sum + text.length, 0) / count,
    costUsd,
    costPerTraceUsd: costUsd / count,
    answeredFromCache: [...first, ...second].filter(({ cached }) => cached).length,
    fingerprints,
  };
}
