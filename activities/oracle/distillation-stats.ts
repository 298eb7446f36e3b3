/** The figures of a distillation: where the oracle agrees with the labels, and what a trace costs. */
import type { LedgerReport } from '../../workflows/ledger.js';
import type { Trace } from './filter-traces.js';
import type { Flaw, OracleJudgement } from './judgement.js';

/** `mastered`: the student judges the pair right every time. */
export type RejectionReason = Flaw | 'hinted-cap' | 'mastered';

interface Agreement {
  judged: number;
  agreed: number;
}

export interface DistillationStats {
  judged: number;
  /** Share of pass 1 that ends in the gold verdict. */
  agreement: number;
  agreementByCategory: Record<string, Agreement>;
  /** By the length of the judgement in characters: `250-499` and so on, doubling. */
  agreementByLength: Record<string, Agreement>;
  /** By where the preferred answer stood: an oracle without position bias is as good at A as at B. */
  agreementByGold: { A: Agreement; B: Agreement };
  /** Pass 2: asked, and corrected to the gold verdict. */
  corrected: { asked: number; agreed: number };
  traces: { direct: number; hinted: number };
  hintedShare: number;
  /** Judgements that are no traces, by the reason. */
  rejected: Partial<Record<RejectionReason, number>>;
  /** Share of traces whose gold verdict is A: alternation keeps it near one half. */
  goldAtA: number;
  meanTraceCharacters: number;
  costUsd: number;
  costPerTraceUsd: number;
  answeredFromCache: number;
  /** Fingerprints the provider gave, with counts; the local oracle says here where its verdicts came from. */
  fingerprints: Record<string, number>;
  /** True where questions stayed without an answer: the budget ended, or batches came back without them. */
  partial: boolean;
}

const SHORTEST_BUCKET = 250;

/** Gathers the figures judgement by judgement, so that none has to stay in memory. */
export class DistillationCounts {
  private readonly first = { judged: 0, agreed: 0 };
  private readonly second = { judged: 0, agreed: 0 };
  private readonly byCategory: Record<string, Agreement> = {};
  private readonly byLength = new Map<number, Agreement>();
  private readonly byGold = { A: { judged: 0, agreed: 0 }, B: { judged: 0, agreed: 0 } };
  private readonly rejected: DistillationStats['rejected'] = {};
  private readonly fingerprints: Record<string, number> = {};
  private readonly traces = { direct: 0, hinted: 0 };
  private goldAtA = 0;
  private characters = 0;
  private cached = 0;

  judgement({ pass, category, gold, agreed, text, cached, fingerprint }: OracleJudgement): void {
    count(pass === 1 ? this.first : this.second, agreed);
    if (cached) this.cached += 1;
    if (fingerprint) this.fingerprints[fingerprint] = (this.fingerprints[fingerprint] ?? 0) + 1;
    if (pass !== 1) return;
    count((this.byCategory[category] ??= { judged: 0, agreed: 0 }), agreed);
    count(this.byGold[gold], agreed);
    const bucket = Math.max(0, Math.floor(Math.log2(Math.max(1, text.length) / SHORTEST_BUCKET)) + 1);
    const entry = this.byLength.get(bucket) ?? { judged: 0, agreed: 0 };
    this.byLength.set(bucket, entry);
    count(entry, agreed);
  }

  rejection(reason: RejectionReason): void {
    this.rejected[reason] = (this.rejected[reason] ?? 0) + 1;
  }

  trace({ source, gold, text }: Trace): void {
    this.traces[source] += 1;
    if (gold === 'A') this.goldAtA += 1;
    this.characters += text.length;
  }

  stats(costUsd: LedgerReport['spentUsd'], partial: boolean): DistillationStats {
    const traces = this.traces.direct + this.traces.hinted;
    const some = Math.max(1, traces);
    return {
      judged: this.first.judged,
      agreement: this.first.agreed / Math.max(1, this.first.judged),
      agreementByCategory: this.byCategory,
      agreementByLength: Object.fromEntries(
        [...this.byLength].sort(([a], [b]) => a - b).map(([bucket, entry]) => [lengthName(bucket), entry]),
      ),
      agreementByGold: this.byGold,
      corrected: { asked: this.second.judged, agreed: this.second.agreed },
      traces: { ...this.traces },
      hintedShare: this.traces.hinted / some,
      rejected: this.rejected,
      goldAtA: this.goldAtA / some,
      meanTraceCharacters: this.characters / some,
      costUsd,
      costPerTraceUsd: costUsd / some,
      answeredFromCache: this.cached,
      fingerprints: this.fingerprints,
      partial,
    };
  }
}

function count(entry: Agreement, agreed: boolean): void {
  entry.judged += 1;
  if (agreed) entry.agreed += 1;
}

function lengthName(bucket: number): string {
  const low = SHORTEST_BUCKET * 2 ** (bucket - 1);
  return bucket === 0 ? `0-${SHORTEST_BUCKET - 1}` : `${low}-${2 * low - 1}`;
}
