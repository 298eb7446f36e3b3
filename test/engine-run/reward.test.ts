/** The job `reward` as a process: it learns what it is shown, on all weights or adapters, and leaves a model to judge with. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setMaxListeners } from 'node:events';
import { afterAll, describe, expect, it } from 'vitest';
import { localScorer } from '../../activities/evaluation/judges/local-scalar.js';
import { scalarJudge } from '../../activities/evaluation/judges/scalar-judge.js';
import { readAdapterDirectory } from '../../engine/checkpoint/adapter-directory.js';
import { readModelDirectory } from '../../engine/checkpoint/model-directory.js';
import type { RewardJob, StepMetrics } from '../../engine/job.js';
import { SCORE_WEIGHT, view } from '../../engine/model/parameters.js';
import { generateJob, grpoJob, rewardJob, runProcess } from './support/jobs.js';

const root = mkdtempSync(join(tmpdir(), 'engine-reward-'));
afterAll(() => rmSync(root, { recursive: true }));
const TEMPLATE = '{% for m in messages %}<user> judge {{ m.content }} {% endfor %}<assistant>';
const { signal } = new AbortController();
setMaxListeners(0, signal);

async function train(name: string, change: Partial<RewardJob> = {}) {
  const job = rewardJob(join(root, name), change);
  const end = await runProcess(job, join(root, name));
  expect(end, end.stderr).toMatchObject({ code: 0 });
  const metrics = readFileSync(join(job.outputDir, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as StepMetrics);
  return { model: join(job.outputDir, 'model'), adapter: join(job.outputDir, 'adapter'), metrics };
}

describe('a reward head', () => {
  it.each([
    ['of the whole model', {}],
    ['with adapters', { lora: { rank: 4, alpha: 8, targets: ['q_proj', 'v_proj', 'down_proj'] } }],
  ] as [string, Partial<RewardJob>][])('%s learns which word is preferred', async (name, change) => {
    const { metrics, model } = await train(name, { epochs: 12, ...change });
    expect(metrics[0]!.loss).toBeCloseTo(Math.log(2), 1);
    expect(metrics.at(-1)!.loss).toBeLessThan(0.3);
    expect(metrics.at(-1)!.accuracy).toBe(1);
    expect(metrics.at(-1)!.margin).toBeGreaterThan(1);
    const config = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8')) as Record<string, unknown>;
    expect(config).toMatchObject({
      architectures: ['LlamaForSequenceClassification'],
      id2label: { 0: 'LABEL_0' },
    });
  });

  it('of an adapter is the one of the merged model', async () => {
    const lora = { rank: 2, alpha: 4, targets: ['q_proj' as const] };
    const { model, adapter } = await train('merged', { epochs: 1, lora });
    const merged = readModelDirectory(model);
    const trained = readAdapterDirectory(adapter, merged.layout);
    const head = merged.layout.entries.find(({ name }) => name === SCORE_WEIGHT)!;
    expect(view(merged.parameters, head)).toEqual(view(trained.parameters, trained.layout.score!));
  });

  it('judges on the resident engine: the same score alone and in company', async () => {
    const { model } = await train('judge', { epochs: 12 });
    const configFile = join(model, 'tokenizer_config.json');
    const config = JSON.parse(readFileSync(configFile, 'utf8')) as Record<string, unknown>;
    writeFileSync(configFile, JSON.stringify({ ...config, chat_template: TEMPLATE }));
    const scorer = await localScorer(
      { dir: model, sha256: 'x' },
      { kind: 'local-scalar', threads: 1, batchSize: 8 },
    );
    try {
      const judge = scalarJudge(scorer);
      const ask = (answerA: string, answerB: string, words: number) =>
        judge.ask(
          { conversation: [{ role: 'user', content: 'so '.repeat(words) }], answerA, answerB, sample: 0 },
          signal,
        );
      const alone = await ask('A B good', 'bad so', 3);
      expect(alone).toMatchObject({ verdict: 'A', text: '', outputTokens: 0 });
      const many = await Promise.all([3, 1, 7, 2, 5].map((words) => ask('A B good', 'bad so', words)));
      expect(many[0]!.scores![0]).toBeCloseTo(alone.scores![0], 5);
      expect(many.every(({ verdict }) => verdict === 'A')).toBe(true);
      expect(await ask('bad so', 'A B good', 3)).toMatchObject({ verdict: 'B' });
      await expect(ask('so '.repeat(80), 'good', 1)).rejects.toMatchObject({ type: 'JudgeRejected' });
    } finally {
      await scorer.close();
    }
  });

  it('is not taken for a language model, nor the other way round', async () => {
    const { model } = await train('kinds', { epochs: 1 });
    const end = await runProcess(generateJob(join(root, 'text'), model), join(root, 'text'));
    expect(end.code).toBe(64);
    expect(JSON.stringify(end.events.at(-1))).toContain('reward model');
    const language = grpoJob(join(root, 'language'));
    if (language.model.from !== 'directory') throw new Error('expected a directory');
    await expect(
      localScorer(
        { dir: language.model.path, sha256: 'x' },
        { kind: 'local-scalar', threads: 1, batchSize: 8 },
      ),
    ).rejects.toMatchObject({ type: 'TrainerRefused' });
  });

  it('names the pair that is too long', async () => {
    const job = rewardJob(join(root, 'long'), { maxLength: 12 });
    const end = await runProcess(job, join(root, 'long'));
    expect(end.code).toBe(65);
    expect(JSON.stringify(end.events.at(-1))).toMatch(/pair-\d+.*more than maxLength 12/);
  });
});
