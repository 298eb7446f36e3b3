import type { Completion } from './complete.js';
import type { FaultKind } from './faults.js';

export interface Bill {
  calls: number;
  inputTokens: number;
  outputTokens: number;
}

/** What the service did since it started; tests read here that nothing was asked twice, and compare the ledger. */
export interface OracleStats {
  requests: number;
  answered: number;
  /** Answers by question (`model:pair in one order`). */
  pairs: Record<string, number>;
  models: Record<string, number>;
  sources: Record<string, number>;
  faults: Partial<Record<FaultKind, number>>;
  rejected: number;
  tokens: { prompt: number; completion: number };
  /** What a real provider would bill, by `chat` or `batch` and model, for example `batch:world-oracle-a`. */
  bills: Record<string, Bill>;
  batches: number;
  labels: number;
}

export class Counters {
  readonly #stats: Omit<OracleStats, 'labels'> = {
    requests: 0,
    answered: 0,
    pairs: {},
    models: {},
    sources: {},
    faults: {},
    rejected: 0,
    tokens: { prompt: 0, completion: 0 },
    bills: {},
    batches: 0,
  };

  request(): void {
    this.#stats.requests += 1;
  }

  rejected(): void {
    this.#stats.rejected += 1;
  }

  batch(): void {
    this.#stats.batches += 1;
  }

  fault(kind: FaultKind): void {
    this.#stats.faults[kind] = (this.#stats.faults[kind] ?? 0) + 1;
  }

  answered(mode: 'chat' | 'batch', { key, model, source, promptTokens, completionTokens }: Completion): void {
    this.#stats.answered += 1;
    this.#stats.pairs[key] = (this.#stats.pairs[key] ?? 0) + 1;
    this.#stats.models[model] = (this.#stats.models[model] ?? 0) + 1;
    this.#stats.sources[source] = (this.#stats.sources[source] ?? 0) + 1;
    this.#stats.tokens.prompt += promptTokens;
    this.#stats.tokens.completion += completionTokens;
    const bill = (this.#stats.bills[`${mode}:${model}`] ??= { calls: 0, inputTokens: 0, outputTokens: 0 });
    bill.calls += 1;
    bill.inputTokens += promptTokens;
    bill.outputTokens += completionTokens;
  }

  snapshot(labels: number): OracleStats {
    return { ...structuredClone(this.#stats), labels };
  }
}
