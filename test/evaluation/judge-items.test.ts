/** Shards of benchmark items against a real store and the local oracle as the judge's endpoint. */
import type { Client } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { judgeItems } from '../../activities/evaluation/judge-items.js';
import { reportBenchmark } from '../../activities/evaluation/report-benchmark.js';
import { readVerdicts } from '../../activities/evaluation/read-verdicts.js';
import {
  findBenchmark,
  scoreBenchmark,
  type BenchmarkScores,
} from '../../activities/evaluation/score-benchmark.js';
import type { ArtifactRef } from '../../activities/artifacts/ref.js';
import type { JudgeItemsInput, JudgeItemsResult } from '../../activities/interface.js';
import type { StageOutcome } from '../../activities/stage-outcome.js';
import { itemKey, type BenchmarkItem, type VerdictRecord } from '../../benchmarks/index.js';
import { judgeSettingsSchema, samplingSchema } from '../../workflows/judge-settings.js';
import { generateWorld } from '../../world/index.js';
import { useStore } from '../artifacts/shared-store.js';
import { startService, type TestService } from '../oracle/service.js';
import { until } from '../support/until.js';
import { startScripted } from './scripted-endpoint.js';

const fixture = useStore();
let oracle: TestService;
let items: BenchmarkItem[];
const SUBSETS = ['alpacaeval-easy', 'llmbar-natural', 'donotanswer', 'hep-go'];

beforeAll(async () => {
  oracle = await startService({ errorRate: 0.2 });
  const world = generateWorld({ seed: 5, train: 24, validation: 1, test: 1 });
  items = world.train.map(({ conversation, chosen, rejected }, index) => {
    const identity = { benchmark: 'rewardbench' as const, subset: SUBSETS[index % 4]!, id: String(index) };
    return { ...identity, key: itemKey(identity), conversation, chosen, rejected };
  });
});
afterAll(() => oracle?.close());

/** Judgements are shared by all runs: each test asks a model, that is a temperature, of its own. */
async function inputOf(change: Partial<JudgeItemsInput> = {}, judge: object = {}): Promise<JudgeItemsInput> {
  return {
    context: { runId: 'run', startedBy: 'test', notify: [] },
    benchmark: 'rewardbench',
    items: await fixture.store.putLines('items', items),
    from: 0,
    to: items.length,
    judge: judgeSettingsSchema.parse({
      kind: 'openai',
      model: 'world-oracle-a',
      baseUrl: oracle.baseUrl,
      ...judge,
    }),
    sampling: samplingSchema.parse({}),
    orders: { mode: 'one', seed: 0 },
    votes: 1,
    before: { judged: 0, right: 0, total: items.length },
    ...change,
  };
}

async function judge(
  input: JudgeItemsInput,
  environment = new MockActivityEnvironment(),
): Promise<JudgeItemsResult> {
  const result: JudgeItemsResult = await environment.run(
    judgeItems,
    fixture.store,
    undefined as unknown as Client,
    input,
  );
  return result;
}

async function recordsOf({ verdicts }: JudgeItemsResult): Promise<VerdictRecord[]> {
  const records: VerdictRecord[] = [];
  for await (const line of fixture.store.openLines(verdicts)) records.push(line as VerdictRecord);
  return records;
}

const answered = async (): Promise<number> => (await oracle.stats()).answered;

describe('judging items', () => {
  it('asks each question once for all runs, whatever the address and the shards', async () => {
    const input = await inputOf({}, { promptVersion: 'plain-v1' });
    const first = await judge(input);
    expect(first).toMatchObject({ status: 'done', judged: 24, asked: 24, found: 0, errors: 0 });
    const before = await answered();
    const halves = [await judge({ ...input, to: 10 }), await judge({ ...input, from: 10 })];
    expect(halves.map(({ asked, found }) => [asked, found])).toEqual([
      [0, 10],
      [0, 14],
    ]);
    const moved = { ...input, judge: { ...input.judge, baseUrl: 'http://127.0.0.1:9/v1' } as never };
    expect(await judge(moved)).toMatchObject({ asked: 0, found: 24 });
    expect(await answered()).toBe(before);
    expect((await Promise.all(halves.map(recordsOf))).flat()).toEqual(await recordsOf(first));
  });

  it('asks about the other order only where it was not asked yet', async () => {
    const input = await inputOf({}, { promptVersion: 'compact-v1' });
    await judge(input);
    const both = await judge({ ...input, orders: { mode: 'both', seed: 0 } });
    expect(both).toMatchObject({ judged: 48, asked: 24, found: 24 });
    const golds = (await recordsOf(both)).map(({ gold }) => gold);
    expect(golds.filter((gold) => gold === 'A')).toHaveLength(24);
  });

  it('counts a judge right where it names the better answer, by section', async () => {
    const result = await judge(await inputOf());
    const records = await recordsOf(result);
    const right = records.filter(({ verdict, gold }) => verdict === gold).length;
    const sections = Object.values(result.sections);
    expect(Object.keys(result.sections).sort()).toEqual(['Chat', 'Chat Hard', 'Reasoning', 'Safety']);
    expect(sections.reduce((sum, section) => sum + section.right, 0)).toBe(right);
    // The oracle errs in one of five.
    expect(right / 24).toBeGreaterThan(0.5);
    expect(right / 24).toBeLessThan(1);
    expect(records[0]!.seconds).toBeGreaterThan(0);
  });

  it('draws k samples once and gives the accuracy of every smaller vote with them', async () => {
    const sampling = samplingSchema.parse({ temperature: 0.7 });
    const result = await judge(await inputOf({ votes: 3, sampling }));
    expect(result).toMatchObject({ judged: 24, asked: 72 });
    expect(result.curve).toHaveLength(3);
    expect(result.curve[2]!).toBeGreaterThan(result.curve[0]!);
    const records = await recordsOf(result);
    expect(records.every(({ votes }) => votes?.length === 3)).toBe(true);
    const more = await judge(await inputOf({ votes: 4, sampling }));
    expect(more).toMatchObject({ asked: 24, found: 72 });
  });

  it('a pointwise judge sums its scores over samples in shuffled order', async () => {
    const sampling = samplingSchema.parse({ temperature: 0.5 });
    const result = await judge(await inputOf({ votes: 3, sampling }, { kind: 'pointwise' }));
    const records = await recordsOf(result);
    expect(records.every(({ scores }) => scores!.every((score) => score >= 6 && score <= 27))).toBe(true);
    const right = records.filter(({ scores: [a, b] = [0, 0], gold }) =>
      gold === 'A' ? a > b : b > a,
    ).length;
    expect(right / 24).toBeGreaterThan(0.7);
    expect(result.curve[2]).toBe(right);
  });

  it('stopped, it returns what is judged; started again, it asks only the rest', async () => {
    const slow = await startService({ errorRate: 0, latencyMs: 60 });
    try {
      const input = await inputOf({}, { baseUrl: slow.baseUrl, model: 'world-oracle-b', concurrency: 4 });
      const environment = new MockActivityEnvironment();
      const running = judge(input, environment);
      await until('a few answers', async () => (await slow.stats()).answered >= 6);
      environment.cancel();
      const part = await running;
      expect(part.status).toBe('stopped');
      expect(part.judged).toBeGreaterThanOrEqual(2);
      expect(part.judged).toBeLessThan(24);
      const rest = await judge(input);
      expect(rest).toMatchObject({ status: 'done', judged: 24 });
      expect(rest.found).toBeGreaterThanOrEqual(part.judged);
      const { pairs } = await slow.stats();
      // What was in flight at the stop may have been answered without being kept.
      expect(Object.values(pairs).filter((times) => times > 1).length).toBeLessThanOrEqual(4);
    } finally {
      await slow.close();
    }
  });

  it('an endpoint that dies ends the shard with what to do; what it answered is kept', async () => {
    // Six answers, then every connection is cut.
    const mortal = await startScripted((_, index) => (index < 6 ? { text: '[[A]]' } : undefined));
    const input = await inputOf({}, { baseUrl: mortal.baseUrl, promptVersion: 'plain-v1', concurrency: 3 });
    const again = { ...input, sampling: samplingSchema.parse({ maxTokens: 500 }) };
    await expect(judge(again)).rejects.toMatchObject({ type: 'JudgeUnreachable' });
    await mortal.close();
    const alive = { ...again, judge: { ...again.judge, baseUrl: oracle.baseUrl } as never };
    const rest = await judge(alive);
    expect(rest).toMatchObject({ status: 'done', judged: 24 });
    expect(rest.found).toBe(6);
  });
});

it('the verdict file says how it was made, and scores to what the evaluation says', async () => {
  const input = await inputOf({ sampling: samplingSchema.parse({ maxTokens: 700 }) });
  const shard = await judge(input);
  const stage = {
    ...input,
    items: { items: input.items, count: 24, source: 'items.jsonl', sha256: 'a'.repeat(64) },
  };
  const environment = new MockActivityEnvironment();
  const outcome: StageOutcome = await environment.run(scoreBenchmark, fixture.store, {
    ...stage,
    ...shard,
    verdicts: [shard.verdicts],
    startedAt: '2026-01-01T00:00:00Z',
    stopped: false,
  });
  const file = join(fixture.dir, 'verdicts.jsonl');
  await fixture.store.getFile(outcome.outputs['verdicts']!, file);
  const { records, protocols } = await readVerdicts([file], { benchmark: 'rewardbench', items });
  expect(records).toEqual(await recordsOf(shard));
  expect(protocols[0]).toMatchObject({
    judge: { kind: 'openai', label: 'world-oracle-a', model: 'world-oracle-a' },
    promptVersion: 'cor-v1',
    sampling: { temperature: 0, maxTokens: 700, votes: 1 },
    orders: { mode: 'one', seed: 0 },
    data: { source: 'items.jsonl', items: 24 },
  });
  const { score } = JSON.parse(
    (await fixture.store.getBytes(outcome.outputs['scores']!)).toString(),
  ) as BenchmarkScores;
  expect(score.score).toBe(outcome.metrics['score']);
  expect(await findBenchmark(fixture.store, stage)).toMatchObject({ reused: true, key: outcome.key });
  const faster = { ...stage, judge: { ...stage.judge, concurrency: 7, timeoutSeconds: 9 } as never };
  expect(await findBenchmark(fixture.store, faster)).toBeDefined();
  const other = { ...stage, orders: { mode: 'one' as const, seed: 1 } };
  expect(await findBenchmark(fixture.store, other)).toBeUndefined();

  const { verdicts, scores } = outcome.outputs as { verdicts: ArtifactRef; scores: ArtifactRef };
  const pages: ArtifactRef[] = [];
  for (let i = 0; i < 2; i++) {
    const page: ArtifactRef = await environment.run(reportBenchmark, fixture.store, {
      context: input.context,
      items: input.items,
      evaluations: [{ verdicts, scores }],
    });
    pages.push(page);
  }
  expect(pages[1]).toEqual(pages[0]);
  const page = (await fixture.store.getBytes(pages[0]!)).toString();
  expect(page).toContain('world-oracle-a on RewardBench');
  expect(page).toContain(`<b>${(100 * score.score).toFixed(1)}*</b>`);
  // The conversations are there to be read, which a bare verdict file has not.
  expect(page).toContain('id="lengths"');
});

it('with a price every judgement says what it cost, also where it was found', async () => {
  const price = { inputPerMillion: 3, outputPerMillion: 15 };
  const input = await inputOf({ sampling: samplingSchema.parse({ maxTokens: 900 }) }, { price });
  const first = await judge(input);
  const records = await recordsOf(first);
  for (const { inputTokens = 0, outputTokens = 0, costUsd } of records)
    expect(costUsd).toBeCloseTo((3 * inputTokens + 15 * outputTokens) / 1e6, 12);
  const again = await judge(input);
  expect(again).toMatchObject({ asked: 0, found: 24 });
  expect(await recordsOf(again)).toEqual(records);
  const outcome: StageOutcome = await new MockActivityEnvironment().run(scoreBenchmark, fixture.store, {
    ...input,
    items: { items: input.items, count: 24, source: 'items.jsonl', sha256: 'a'.repeat(64) },
    ...first,
    verdicts: [first.verdicts],
    startedAt: '2026-01-01T00:00:00Z',
    stopped: false,
  });
  expect(outcome.cost.usd).toBeCloseTo(
    records.reduce((sum, { costUsd }) => sum + costUsd!, 0),
    12,
  );
});
