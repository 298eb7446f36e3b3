/**
 * What a run spends on oracles, in tokens and money: the one authority over its cap. It lives in the workflow, which is
 * single-threaded and durable: an allowance is reserved here before an activity may spend anything, and settled from
 * what the activity brings back. Pure, so that activities and tests can use it too.
 */

/** Spending of one model in one pass of one stage. */
export interface LedgerEntry {
  stage: string;
  model: string;
  pass: number;
  /** Answered and paid by this run. */
  calls: number;
  inputTokens: number;
  outputTokens: number;
  usd: number;
  /** Sent, as far as the log tells, but never answered: the provider may have billed them, for `usd` at most. */
  unanswered: { calls: number; usd: number };
}

/** Answer of the `ledger` query, and the ledger artefact. Money is in the currency of the recipe's prices: USD. */
export interface LedgerReport {
  currency: 'USD';
  /** The hard cap; absent: none. */
  capUsd?: number;
  /** Settled from the provider's usage. */
  spentUsd: number;
  /** At most this much more may have been billed for calls whose answer was lost. */
  unansweredUsd: number;
  /** Held by work under way. */
  reservedUsd: number;
  inputTokens: number;
  outputTokens: number;
  calls: number;
  /** By stage, pass and model. */
  entries: LedgerEntry[];
}

/** Sums of binary fractions: differences below this are rounding. */
const ROUNDING = 1e-9;

export class Ledger {
  private readonly entries = new Map<string, LedgerEntry>();
  private readonly leases = new Map<string, number>();

  /** @param cap USD; undefined: no cap. */
  constructor(private cap?: number) {}

  get capUsd(): number | undefined {
    return this.cap;
  }

  /** A new cap, higher or lower; what is reserved already stays reserved. */
  setCap(usd: number | undefined): void {
    this.cap = usd;
  }

  /** What may still be reserved; infinite without a cap, never negative. */
  get availableUsd(): number {
    if (this.cap === undefined) return Infinity;
    return Math.max(0, this.cap - this.committedUsd);
  }

  /** Leases that are not settled yet. */
  get outstanding(): number {
    return this.leases.size;
  }

  /**
   * Reserve up to `usd` under the name `lease`; false, and nothing reserved, where that could go over the cap.
   * @throws RangeError for a lease that is open already, or a negative amount.
   */
  reserve(lease: string, usd: number): boolean {
    if (this.leases.has(lease)) throw new RangeError(`Lease ${lease} is open already.`);
    if (!(usd >= 0)) throw new RangeError(`Lease ${lease} is for ${usd} USD.`);
    if (usd > this.availableUsd + ROUNDING) return false;
    this.leases.set(lease, this.cap === undefined ? 0 : usd);
    return true;
  }

  /** Close a lease and book what it was used for. @throws RangeError for a lease that is not open. */
  settle(lease: string, spent: readonly LedgerEntry[]): void {
    if (!this.leases.delete(lease)) throw new RangeError(`Lease ${lease} is not open.`);
    this.book(spent);
  }

  /** Add spending that needed no lease: what this run paid before this ledger was opened. */
  book(spent: readonly LedgerEntry[]): void {
    for (const entry of spent) {
      const name = JSON.stringify([entry.stage, entry.pass, entry.model]);
      const sum = this.entries.get(name);
      this.entries.set(name, sum ? add(sum, entry) : { ...entry, unanswered: { ...entry.unanswered } });
    }
  }

  report(): LedgerReport {
    const entries = [...this.entries.values()].sort(
      (a, b) => compare(a.stage, b.stage) || a.pass - b.pass || compare(a.model, b.model),
    );
    return {
      currency: 'USD',
      ...(this.cap === undefined ? {} : { capUsd: this.cap }),
      spentUsd: total(entries, ({ usd }) => usd),
      unansweredUsd: total(entries, ({ unanswered }) => unanswered.usd),
      reservedUsd: total([...this.leases.values()], (usd) => usd),
      inputTokens: total(entries, ({ inputTokens }) => inputTokens),
      outputTokens: total(entries, ({ outputTokens }) => outputTokens),
      calls: total(entries, ({ calls }) => calls),
      entries,
    };
  }

  private get committedUsd(): number {
    const { spentUsd, unansweredUsd, reservedUsd } = this.report();
    return spentUsd + unansweredUsd + reservedUsd;
  }
}

function add(a: LedgerEntry, b: LedgerEntry): LedgerEntry {
  return {
    ...a,
    calls: a.calls + b.calls,
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    usd: a.usd + b.usd,
    unanswered: {
      calls: a.unanswered.calls + b.unanswered.calls,
      usd: a.unanswered.usd + b.unanswered.usd,
    },
  };
}

function total<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((sum, item) => sum + of(item), 0);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
