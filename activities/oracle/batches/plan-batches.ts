/** From shards to batches: what nobody has answered and no batch under way asks, cut by count, bytes and allowance. */
import type { ArtifactStore } from '../../artifacts/store.js';
import type { BatchChunk, BatchPlan, BatchPlanInput, OracleShardInput } from '../../interface.js';
import { answerCache, type AnswerCache } from '../answer-cache.js';
import type { BatchRequest } from '../backends/batch-backend.js';
import { worstPrice } from '../budget.js';
import { isCorrectable, judgementOf } from '../judgement.js';
import { modelOfPass, questionOf, shardTasks, taskOf, type Task } from '../shard-tasks.js';
import { addressOf, openRecords, setOf, type BatchRecord } from './record.js';

/** Wire format around a question. */
const LINE_BYTES = 256;

/**
 * Lay out the unanswered questions of a pass as batches whose worst prices fit the allowance together. Batches that
 * are under way and ask some of them, of whatever run, come first: they are waited for, not asked again.
 */
export async function planBatches(store: ArtifactStore, input: BatchPlanInput): Promise<BatchPlan> {
  const cache = answerCache(store);
  await cache.refresh({ now: true });
  const planner = new Planner(store, input);
  const asked = await askedAlready(store, input);
  const joined = new Map<string, BatchRecord>();
  const seen = new Set<string>();
  let stored = 0;
  for (const shard of input.shards) {
    for (const task of await tasksOf(store, cache, input, shard)) {
      if (seen.has(task.key)) continue;
      seen.add(task.key);
      const record = asked.get(task.key);
      if (cache.has(task.key)) stored += 1;
      else if (record) joined.set(record.set, record);
      else await planner.add(task);
    }
  }
  await planner.flush();
  const open = [...joined.values()].map(({ set, requests, count, worstUsd, model }) => {
    return { set, requests, count, worstUsd, model };
  });
  const { batches, left, needUsd } = planner;
  return { batches: [...open, ...batches], stored, left, ...(left > 0 ? { needUsd } : {}) };
}

/** Pass 2 asks about what came out wrong in pass 1, which is in the cache by then. */
async function tasksOf(
  store: ArtifactStore,
  cache: AnswerCache,
  { context, oracle, promptVersion, pass }: BatchPlanInput,
  { pairs, count }: BatchPlanInput['shards'][number],
): Promise<Task[]> {
  const input: OracleShardInput = {
    context,
    seed: 0,
    pairs,
    pass: 1,
    from: 0,
    to: count,
    total: count,
    oracle,
    promptVersion,
  };
  const first = await shardTasks(store, input);
  if (pass === 1) return first;
  const answers = await cache.getMany(first.map(({ key }) => key));
  return first.flatMap(({ shown, key, question }) => {
    const answer = answers.get(key);
    if (!answer) return [];
    const judgement = judgementOf(shown, { pass: 1, model: question.model, cached: true }, answer);
    return isCorrectable(judgement) ? [taskOf(shown, questionOf(input, shown, judgement.text))] : [];
  });
}

/** Questions of batches under way with the same oracle, by key. */
async function askedAlready(store: ArtifactStore, input: BatchPlanInput): Promise<Map<string, BatchRecord>> {
  const address = addressOf(input.oracle);
  const model = modelOfPass(input.oracle, input.pass);
  const asked = new Map<string, BatchRecord>();
  for (const record of await openRecords(store)) {
    if (record.address !== address || record.model !== model) continue;
    for await (const line of store.openLines(record.requests))
      asked.set((line as BatchRequest).customId, record);
  }
  return asked;
}

class Planner {
  readonly batches: BatchChunk[] = [];
  /** Questions that the allowance did not reach, and what the cheapest of them may cost. */
  left = 0;
  needUsd = Infinity;
  private requests: BatchRequest[] = [];
  private bytes = 0;
  private worstUsd = 0;
  private committedUsd = 0;

  constructor(
    private readonly store: ArtifactStore,
    private readonly input: BatchPlanInput,
  ) {}

  async add({ key, question }: Task): Promise<void> {
    const { oracle, allowanceUsd = Infinity } = this.input;
    const { maxRequests, maxBytes, priceFactor } = oracle.batch;
    const usd = worstPrice(oracle, question) * priceFactor;
    if (this.committedUsd + usd > allowanceUsd) {
      this.left += 1;
      this.needUsd = Math.min(this.needUsd, usd);
      return;
    }
    const bytes = Buffer.byteLength(JSON.stringify(question)) + LINE_BYTES;
    if (this.requests.length === maxRequests || (this.bytes + bytes > maxBytes && this.requests.length > 0))
      await this.flush();
    this.requests.push({ customId: key, question });
    this.bytes += bytes;
    this.worstUsd += usd;
    this.committedUsd += usd;
  }

  async flush(): Promise<void> {
    if (this.requests.length === 0) return;
    const { requests, worstUsd } = this;
    this.requests = [];
    this.bytes = 0;
    this.worstUsd = 0;
    this.batches.push({
      set: setOf(
        addressOf(this.input.oracle),
        requests.map(({ customId }) => customId),
      ),
      requests: await this.store.putLines('outputs', requests),
      count: requests.length,
      worstUsd,
      model: modelOfPass(this.input.oracle, this.input.pass),
    });
  }
}
