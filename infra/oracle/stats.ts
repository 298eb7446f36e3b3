import type { FaultKind } from './faults.js';
import type { Usage } from './chat-api.js';

/** What the service did since it started; tests read here that nothing was asked twice. */
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
  };

  request(): void {
    this.#stats.requests += 1;
  }

  rejected(): void {
    this.#stats.rejected += 1;
  }

  fault(kind: FaultKind): void {
    this.#stats.faults[kind] = (this.#stats.faults[kind] ?? 0) + 1;
  }

  answered(key: string, model: string, source: string, usage: Usage): void {
    this.#stats.answered += 1;
    this.#stats.pairs[key] = (this.#stats.pairs[key] ?? 0) + 1;
    this.#stats.models[model] = (this.#stats.models[model] ?? 0) + 1;
    this.#stats.sources[source] = (this.#stats.sources[source] ?? 0) + 1;
    this.#stats.tokens.prompt += usage.prompt_tokens;
    this.#stats.tokens.completion += usage.completion_tokens;
  }

  snapshot(labels: number): OracleStats {
    return { ...structuredClone(this.#stats), labels };
  }
}
