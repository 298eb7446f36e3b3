/** The baseline judge that asks a language model which answer it would rather have written. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setMaxListeners } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { likelihoodScorer } from '../../activities/evaluation/judges/local-scalar.js';
import { scalarJudge } from '../../activities/evaluation/judges/scalar-judge.js';
import { readModelDirectory } from '../../engine/checkpoint/model-directory.js';
import { optimizerSchema } from '../../engine/job.js';
import { TrainingRuntime } from '../../engine/model/runtime.js';
import { rewardJob, runProcess, supervisedJob } from './support/jobs.js';

const root = mkdtempSync(join(tmpdir(), 'likelihood-'));
afterAll(() => rmSync(root, { recursive: true }));
const TEMPLATE = '{% for m in messages %}<user> {{ m.content }} {% endfor %}<assistant>';
const { signal } = new AbortController();
setMaxListeners(0, signal);
const SETTINGS = { kind: 'likelihood' as const, threads: 1, batchSize: 8 };

it('prefers what the model has learnt to write, by the mean log-probability of its tokens', async () => {
  const optimizer = optimizerSchema.parse({ learningRate: 1e-2 });
  const job = supervisedJob(join(root, 'taught'), { epochs: 12, optimizer });
  expect(await runProcess(job, join(root, 'taught'))).toMatchObject({ code: 0 });
  const dir = join(job.outputDir, 'model');
  const configFile = join(dir, 'tokenizer_config.json');
  const config = JSON.parse(readFileSync(configFile, 'utf8')) as Record<string, unknown>;
  writeFileSync(configFile, JSON.stringify({ ...config, chat_template: TEMPLATE }));

  const scorer = await likelihoodScorer({ dir, sha256: 'x' }, SETTINGS);
  try {
    const judge = scalarJudge(scorer);
    const conversation = [{ role: 'user' as const, content: 'judge so A good' }];
    const [right, wrong] = ['<eval> A good </eval> <answer> [[A]] </answer>', '[[B]] bad so bad'];
    const ask = (answerA: string, answerB: string) =>
      judge.ask({ conversation, answerA, answerB, sample: 0 }, signal);
    const said = await ask(right, wrong);
    expect(said).toMatchObject({ verdict: 'A', text: '', outputTokens: 0 });
    expect(await ask(wrong, right)).toMatchObject({ verdict: 'B' });
    const many = await Promise.all(Array.from({ length: 6 }, () => ask(right, wrong)));
    for (const { scores } of many) expect(scores![0]).toBeCloseTo(said.scores![0], 5);

    // The definition, from the log-probabilities of one sequence.
    const { layout, parameters, tokenizer } = readModelDirectory(dir);
    const prompt = tokenizer.encode('<user> judge so A good <assistant>');
    const tokens = Int32Array.from([...prompt, ...tokenizer.encode(right), tokenizer.endOfText]);
    const runtime = await TrainingRuntime.create(layout, parameters, { threads: 1 });
    const logprobs = await runtime.logprobs({ rows: 1, length: tokens.length, tokens });
    await runtime.release();
    const answer = logprobs.subarray(prompt.length);
    expect(said.scores![0]).toBeCloseTo(answer.reduce((sum, value) => sum + value, 0) / answer.length, 4);
    await expect(ask('so '.repeat(80), right)).rejects.toMatchObject({ type: 'JudgeRejected' });
  } finally {
    await scorer.close();
  }
});

it('refuses a reward model, which predicts no tokens', async () => {
  const job = rewardJob(join(root, 'reward'), { epochs: 1 });
  expect(await runProcess(job, join(root, 'reward'))).toMatchObject({ code: 0 });
  await expect(
    likelihoodScorer({ dir: join(job.outputDir, 'model'), sha256: 'x' }, SETTINGS),
  ).rejects.toMatchObject({ type: 'TrainerRefused', message: expect.stringContaining('scalar') as string });
});
