/** The activities that judge at a server, against a real store, a scripted head and a scripted server. */
import type { Client } from '@temporalio/client';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { ArtifactRef } from '../../activities/artifacts/ref.js';
import { judgeItems } from '../../activities/evaluation/judge-items.js';
import { judgeShard } from '../../activities/evaluation/judge-shard.js';
import type { JudgeItemsInput, JudgeShardInput, StudentShardInput } from '../../activities/interface.js';
import type { OracleJudgement } from '../../activities/oracle/judgement.js';
import { sampleStudent } from '../../activities/oracle/sample-student.js';
import { serverKeyOf, serverRecords } from '../../activities/ray/serving-spec.js';
import { itemKey, type Judgement } from '../../benchmarks/index.js';
import { loadRecipe } from '../../recipes/load.js';
import { judgeSettingsSchema, samplingSchema } from '../../workflows/judge-settings.js';
import { generateWorld } from '../../world/index.js';
import { freshKey, useStore } from '../artifacts/shared-store.js';
import { ScriptedHead } from '../ray/scripted-head.js';
import { ScriptedServer } from '../ray/scripted-server.js';

const s3 = useStore();
const client = undefined as unknown as Client;
const { train } = generateWorld({ seed: 5, train: 6, validation: 1, test: 1 });
const recipe = loadRecipe('quickstart', {
  ...{ engine: 'ray', 'ray.gpusPerNode': 1, 'grpo.objective': 'grpo', 'distill.studentSamples': 2 },
});
let head: ScriptedHead;
let model: ArtifactRef;
let server: ScriptedServer | undefined;

beforeEach(async () => {
  head = await ScriptedHead.start();
  vi.stubEnv('RMR1_RAY_ADDRESS', head.address);
  vi.stubEnv('RMR1_S3_BUCKET', s3.settings.bucket);
  model = { uri: 's3://b/m', sha256: freshKey() + freshKey(), bytes: 1, kind: 'model' };
});
afterEach(async () => {
  await server?.close();
  vi.unstubAllEnvs();
  await head.close();
});

const context = { runId: 'run', startedBy: 'test', notify: [] };
const keyFor = (stage: 'evaluate' | 'distill') => serverKeyOf({ runId: 'run', stage, model });

async function linesOf<T>(ref: ArtifactRef): Promise<T[]> {
  const lines: T[] = [];
  for await (const line of s3.store.openLines(ref)) lines.push(line as T);
  return lines;
}

test('a shard of pairs is judged in both orders; judged again, no server is brought up', async () => {
  const pairs = await s3.store.putLines(
    'pairs',
    train.map((pair) => ({ ...pair, gold: 'A' })),
  );
  const input: JudgeShardInput = {
    ...{ context, judge: 'grpo', model, pairs, from: 0, to: 500, recipe, served: true },
  };
  const judged = new MockActivityEnvironment().run(judgeShard, s3.store, client, input);
  server = await ScriptedServer.of(s3.store, head, keyFor('evaluate'), 1);
  const result = await judged;
  expect(result).toMatchObject({ status: 'done', pairs: 6, tokens: 60 });
  const judgements = await linesOf<Judgement>((result as { judgements: ArtifactRef }).judgements);
  expect(judgements.map(({ pairId, gold }) => `${pairId} ${gold}`)).toEqual(
    train.flatMap(({ id }) => [`${id} A`, `${id} B`]),
  );
  expect(new Set(judgements.map(({ verdict }) => verdict))).toEqual(new Set(['A']));
  // Nobody but the workflow knows that this was the last shard.
  expect(await s3.store.getJson(serverRecords(keyFor('evaluate')).stop(1))).toBeUndefined();

  await server.die();
  const calls = head.calls.length;
  const again = await new MockActivityEnvironment().run(judgeShard, s3.store, client, input);
  expect(again).toMatchObject({
    status: 'done',
    judgements: (result as { judgements: ArtifactRef }).judgements,
  });
  expect(head.calls.length).toBe(calls);
});

test('a student is sampled with a seed for each sample; a pair that is too long goes to the oracle', async () => {
  const [tooLong, ...others] = train;
  const pairs = await s3.store.putLines(
    'pairs',
    train.map((pair) => ({ ...pair, gold: 'A' })),
  );
  const input: StudentShardInput = { context, recipe, seed: 7, model, pairs, served: true };
  const sampled = new MockActivityEnvironment().run(sampleStudent, s3.store, client, input);
  server = await ScriptedServer.of(s3.store, head, keyFor('distill'), 1, (question) =>
    [tooLong!.chosen, tooLong!.rejected].every((text) => question.includes(JSON.stringify(text).slice(1, -1)))
      ? { status: 400, text: 'too long' }
      : { text: '[[A]]' },
  );
  const result = await sampled;
  expect(result).toMatchObject({ status: 'done', judged: 6, agreed: others.length, wrong: 1 });
  const answers = await linesOf<OracleJudgement>((result as { answers: ArtifactRef }).answers);
  expect(answers[0]).toMatchObject({ pairId: tooLong!.id, agreed: false, flaw: 'too-long' });
  expect(answers.slice(1).every(({ mastered }) => mastered)).toBe(true);
  expect(new Set(server.questions.map(({ seed }) => seed))).toEqual(new Set([7, 8]));
});

test('a benchmark is judged by a model of the cluster', async () => {
  const items = train.map(({ conversation, chosen, rejected }, index) => {
    const identity = { benchmark: 'rewardbench' as const, subset: 'alpacaeval-easy', id: String(index) };
    return { ...identity, key: itemKey(identity), conversation, chosen, rejected };
  });
  const input: JudgeItemsInput = {
    ...{ context, benchmark: 'rewardbench', items: await s3.store.putLines('items', items), from: 0, to: 6 },
    judge: judgeSettingsSchema.parse({ kind: 'vllm', model, gpus: 0 }),
    sampling: samplingSchema.parse({}),
    ...{ orders: { mode: 'both', seed: 0 }, votes: 1, before: { judged: 0, right: 0, total: 12 } },
  };
  const judged = new MockActivityEnvironment().run(judgeItems, s3.store, client, input);
  server = await ScriptedServer.of(s3.store, head, keyFor('evaluate'), 1);
  expect(await judged).toMatchObject({
    ...{ status: 'done', judged: 12, asked: 12, found: 0, errors: 0 },
    identity: { kind: 'vllm', model: model.sha256 },
    sections: { Chat: { count: 12, right: 6 } },
  });
});

test('a shard that is stopped keeps what was answered, and leaves the server alone', async () => {
  const pairs = await s3.store.putLines(
    'pairs',
    train.map((pair) => ({ ...pair, gold: 'A' })),
  );
  const environment = new MockActivityEnvironment();
  const input: JudgeShardInput = {
    ...{ context, judge: 'grpo', model, pairs, from: 0, to: 500, recipe, served: true },
  };
  const judged = environment.run(judgeShard, s3.store, client, input);
  let stopped = false;
  server = await ScriptedServer.of(s3.store, head, keyFor('evaluate'), 1, (_, index) => {
    if (index < 4) return { text: '[[A]]' };
    if (!stopped) environment.cancel();
    stopped = true;
    return { never: true };
  });
  expect(await judged).toMatchObject({ status: 'preempted' });
  expect(server.job.status).toBe('RUNNING');
  expect(head.stops).toEqual([]);
});
