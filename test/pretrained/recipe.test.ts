/** The recipe `smollm2-135m` with a small model of a local hub: dataset, import, SFT and GRPO jobs as the stages make them. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it, vi } from 'vitest';
import { fileDataset } from '../../activities/dataset/file-dataset.js';
import type { TrainInput } from '../../activities/interface.js';
import { pretrainedDirectory } from '../../activities/pretrained/pretrained-model.js';
import { StudentPrompts } from '../../activities/training/student-prompt.js';
import { engineJob, trainingIdentity } from '../../activities/training/training-job.js';
import { engineJobSchema } from '../../engine/job.js';
import { readModelDirectory } from '../../engine/checkpoint/model-directory.js';
import { writeTokenizer } from '../../engine/tokenizer/tokenizer-files.js';
import { present } from '../../judge/pair.js';
import { loadRecipe } from '../../recipes/load.js';
import { runProcess } from '../engine-run/support/jobs.js';
import { REVISION, startHub, writeTinyModel } from './support/tiny-hub.js';

const root = mkdtempSync(join(tmpdir(), 'pretrained-'));
const WORDS = ['good', 'bad', 'kind', 'rude', 'short', 'long', 'true', 'false'];
const pairs = Array.from({ length: 40 }, (_, i) => ({
  id: `p${i}`,
  prompt: `Say something ${WORDS[i % 8]} about ${WORDS[(i * 3 + 1) % 8]} things, number ${i}.`,
  chosen: `A ${WORDS[i % 8]} answer to ${i}.`,
  rejected: `Nothing ${WORDS[(i + 4) % 8]} here.`,
}));
const hub = await (async () => {
  writeTinyModel(
    join(root, 'hub'),
    pairs.flatMap(({ prompt, chosen, rejected }) => [prompt, chosen, rejected]),
  );
  return startHub(join(root, 'hub'));
})();
vi.stubEnv('HF_ENDPOINT', hub.endpoint);
vi.stubEnv('RMR1_CACHE', join(root, 'cache'));
afterAll(async () => {
  vi.unstubAllEnvs();
  await hub.close();
  rmSync(root, { recursive: true });
});

const recipe = loadRecipe('smollm2-135m', {
  'base.pretrained': { hub: 'me/tiny', revision: REVISION },
  'base.architecture': { maxLength: 384 },
  'sft.batchSize': 4,
  'sft.learningRate': 1e-2,
  'grpo.steps': 2,
  'grpo.promptsPerStep': 2,
  'grpo.groupSize': 3,
  'grpo.maxNewTokens': 24,
  'grpo.objective': 'gspo',
  'grpo.topP': 0.9,
  threads: 1,
});
const ref = { uri: 's3://b/k', sha256: 'a'.repeat(64), bytes: 1, kind: 'samples' as const };
const stage = (name: TrainInput['stage']): TrainInput => ({
  context: { runId: 'r', notify: [], startedBy: 'test' },
  stage: name,
  seed: 1,
  recipe,
  model: ref,
  data: ref,
});

it('reads pairs with the tokenizer of the model, imports it, and trains adapters by SFT and by GRPO', async () => {
  const data = join(root, 'pairs.jsonl');
  writeFileSync(data, pairs.map((pair) => `${JSON.stringify(pair)}\n`).join(''));
  const dataset = await fileDataset(recipe, 1, data, 'pairs.jsonl');
  expect(dataset.documents).toEqual([]);
  const tokenizerDir = join(root, 'tokenizer');
  writeTokenizer(tokenizerDir, dataset.tokenizer);
  const prompts = new StudentPrompts(tokenizerDir, recipe.promptVersion);

  const base = await pretrainedDirectory({ hub: 'me/tiny', revision: REVISION });
  expect(readModelDirectory(base).layout.config).toMatchObject({ attentionBias: 'qkv', layers: 2 });

  const { train } = dataset.splits;
  const lines = train.map((pair, i) => {
    const gold = i % 2 === 0 ? ('A' as const) : ('B' as const);
    const prompt = prompts.render(present(pair, gold));
    return { id: pair.id, prompt, gold, completion: `<answer>[[${gold}]]</answer>` };
  });
  const samples = join(root, 'samples.jsonl');
  writeFileSync(samples, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));

  let model = base;
  for (const name of ['sft', 'grpo'] as const) {
    const output = join(root, name);
    mkdirSync(output);
    const job = engineJobSchema.parse(engineJob(stage(name), { model, data: samples, output }));
    expect(job).toMatchObject({ lora: { rank: 16, alpha: 32 }, recompute: true, microBatchTokens: 1024 });
    const end = await runProcess(job, output);
    expect(end, end.stderr).toMatchObject({ code: 0 });
    expect(existsSync(join(output, 'adapter', 'adapter_config.json'))).toBe(true);
    model = join(output, 'model');
  }
  const losses = readFileSync(join(root, 'sft', 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { loss: number }).loss);
  expect(losses.at(-1)).toBeLessThan(losses[0]!);
});

it('names a stage by the settings of its memory too, and refuses what the base cannot be', () => {
  expect(JSON.stringify(trainingIdentity(stage('sft')).settings)).toContain('"rank":16');
  const bad = (overrides: Record<string, unknown>) => () => loadRecipe('smollm2-135m', overrides);
  expect(bad({ 'base.documents': 5 })).toThrow(/base: unknown field 'documents'/);
  expect(bad({ 'base.pretrained': { hub: 'me/tiny', revision: 'main' } })).toThrow(/base.pretrained/);
  expect(bad({ 'base.kind': 'other' })).toThrow(/base.kind/);
});
