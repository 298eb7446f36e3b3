/** From the log of oracle calls to the ledger: what was answered and paid, and what may have been billed besides. */
import type { LedgerEntry } from '../../workflows/ledger.js';
import type { ArtifactStore } from '../artifacts/store.js';
import { activityPrefix, answerCache, runPrefix, type AnswerCache } from './answer-cache.js';
import type { SegmentHeader, Writer } from './segment.js';

/** Everything that `run` has paid for so far, by stage, model and pass, in any execution and attempt. */
export async function spentByRun(store: ArtifactStore, run: string): Promise<LedgerEntry[]> {
  return tally(await answerCache(store).headers(runPrefix(run)));
}

/** What one scheduled activity has paid for in all its attempts so far. */
export async function spentByActivity(
  cache: Pick<AnswerCache, 'headers'>,
  writer: Pick<Writer, 'run' | 'activity'>,
): Promise<LedgerEntry[]> {
  return tally(await cache.headers(activityPrefix(writer)));
}

/** Sum up segments. A question asked more often than it was answered or released stays open, at its highest price. */
export function tally(headers: readonly SegmentHeader[]): LedgerEntry[] {
  const entries = new Map<string, LedgerEntry>();
  const open = new Map<string, { entry: LedgerEntry; asked: number; closed: number; usd: number }>();
  for (const { stage, model, pass, activity, asked, released, answers } of headers) {
    const name = JSON.stringify([stage, model, pass]);
    let entry = entries.get(name);
    if (!entry) entries.set(name, (entry = emptyEntry({ stage, model, pass })));
    const sum = entry;
    const of = (key: string) => {
      const id = `${activity} ${key}`;
      let question = open.get(id);
      if (!question) open.set(id, (question = { entry: sum, asked: 0, closed: 0, usd: 0 }));
      return question;
    };
    for (const [key, usd] of asked) {
      const question = of(key);
      question.asked += 1;
      question.usd = Math.max(question.usd, usd);
    }
    // A question that was cancelled before its record was written is released without having been asked.
    for (const key of released) of(key).closed += 1;
    for (const [key, , , inputTokens, outputTokens, usd] of answers) {
      of(key).closed += 1;
      entry.calls += 1;
      entry.inputTokens += inputTokens;
      entry.outputTokens += outputTokens;
      entry.usd += usd;
    }
  }
  for (const { entry, asked, closed, usd } of open.values()) {
    const calls = Math.max(0, asked - closed);
    entry.unanswered.calls += calls;
    entry.unanswered.usd += calls * usd;
  }
  return [...entries.values()];
}

export function emptyEntry({
  stage,
  model,
  pass,
}: Pick<LedgerEntry, 'stage' | 'model' | 'pass'>): LedgerEntry {
  return {
    stage,
    model,
    pass,
    calls: 0,
    inputTokens: 0,
    outputTokens: 0,
    usd: 0,
    unanswered: { calls: 0, usd: 0 },
  };
}
