/** Oracle answers by the hash of the question: durable before they count, shared by all runs, never paid twice. */
import { createHash } from 'node:crypto';
import type { Message } from '../../judge/pair.js';
import { canonicalJson } from '../artifacts/canonical-json.js';
import type { ArtifactStore } from '../artifacts/store.js';

/** What was asked: everything that may change the answer. */
export interface OracleQuestion {
  model: string;
  messages: Message[];
  temperature: number;
  maxTokens: number;
  /** 0 for the first sample; further ones are other questions. */
  sample: number;
}

export interface OracleAnswer {
  text: string;
  /** `stop`, `length`, `content_filter`, … as the provider says it. */
  finishReason: string;
  inputTokens: number;
  outputTokens: number;
  /** What it cost, and the run that paid: to that run it counts as spent however often its activities start again. */
  usd: number;
  paidBy: string;
  /** Provider's fingerprint of what answered; the local service says here where its verdict came from. */
  fingerprint?: string;
}

/** Storage key of a question's answer. */
export function answerKey(question: OracleQuestion): string {
  const hash = createHash('sha256').update(canonicalJson(question)).digest('hex');
  return `oracle-answers/${hash.slice(0, 2)}/${hash}.json`;
}

/** The stored answer, if the question was ever asked and answered. */
export async function cachedAnswer(store: ArtifactStore, key: string): Promise<OracleAnswer | undefined> {
  return (await store.getJson(key))?.value as OracleAnswer | undefined;
}

/** Store an answer; where two runs asked at once, the first one stands for both. */
export async function keepAnswer(
  store: ArtifactStore,
  key: string,
  answer: OracleAnswer,
): Promise<OracleAnswer> {
  try {
    await store.putJson(key, answer, { ifNoneMatch: true });
    return answer;
  } catch (error) {
    if ((error as { type?: string }).type !== 'PreconditionFailed') throw error;
    return (await cachedAnswer(store, key)) ?? answer;
  }
}
