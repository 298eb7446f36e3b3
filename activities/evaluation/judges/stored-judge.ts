/**
 * Judgements by the hash of their question: durable before they count, shared by all runs, never made twice for one
 * (judge with its model, prompt version and parameters; conversation; answers in their order; sample).
 */
import { sha256Hex } from '../../artifacts/hashing.js';
import { canonicalJson } from '../../artifacts/canonical-json.js';
import type { ArtifactStore } from '../../artifacts/store.js';
import type { Judge, Opinion, Question } from './judge.js';

/** Up to so many judgements of a judge are listed at once; where there are more, each question is looked up by itself. */
const LISTED = 5_000;

/** What a stored judge did. */
export interface JudgedCounts {
  /** Asked now. */
  asked: number;
  /** Found in the store. */
  found: number;
}

/** Prefix of all judgements of a judge. */
function judgePrefix({ identity }: Pick<Judge, 'identity'>): string {
  return `judgements/${sha256Hex(Buffer.from(canonicalJson(identity)))}/`;
}

/** Storage key of a question's judgement. What only controls may know (`gold`, `key`) is no part of it. */
function judgementKey(prefix: string, { conversation, answerA, answerB, sample }: Question): string {
  const question = canonicalJson({ conversation, answerA, answerB, sample });
  return `${prefix}${sha256Hex(Buffer.from(question))}.json`;
}

/** `judge` with a memory in `store`; the counts grow while it is asked. */
export async function storedJudge(
  judge: Judge,
  store: ArtifactStore,
): Promise<Judge & { counts: JudgedCounts }> {
  const counts: JudgedCounts = { asked: 0, found: 0 };
  if (!judge.stored) return { ...judge, counts };
  const prefix = judgePrefix(judge);
  const listed = await store.listKeys(prefix, LISTED);
  const known = listed.length < LISTED ? new Set(listed) : undefined;

  const stored = async (key: string): Promise<Opinion | undefined> =>
    known && !known.has(key) ? undefined : ((await store.getJson(key))?.value as Opinion | undefined);

  return {
    ...judge,
    counts,
    async ask(question, signal) {
      const key = judgementKey(prefix, question);
      const before = await stored(key);
      if (before) {
        counts.found += 1;
        return before;
      }
      const opinion = await judge.ask(question, signal);
      counts.asked += 1;
      return keep(store, key, opinion);
    },
  };
}

/** Store an opinion; where two runs asked at once, the first one stands for both. */
async function keep(store: ArtifactStore, key: string, opinion: Opinion): Promise<Opinion> {
  try {
    await store.putJson(key, opinion, { ifNoneMatch: true });
    return opinion;
  } catch (error) {
    if ((error as { type?: string }).type !== 'PreconditionFailed') throw error;
    return ((await store.getJson(key))?.value as Opinion | undefined) ?? opinion;
  }
}
