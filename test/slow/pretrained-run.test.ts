/** A pretrained model of a hub through every stage, with adapters: the recipe `smollm2-135m` on a small stand-in. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { ReportData } from '../../activities/evaluation/report/report-data.js';
import { REVISION, startHub, writeTinyModel } from '../pretrained/support/tiny-hub.js';
import { runCommand } from '../support/command.js';
import { asSettings } from '../support/tiny-recipe.js';

const root = mkdtempSync(join(tmpdir(), 'rmr1-pretrained-run-'));
const env = { RMR1_HOME: join(root, 'home'), RMR1_CACHE: join(root, 'cache'), RMR1_ARTIFACT_CACHE: '' };
const cleanUp: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  await runCommand(['down'], env);
  for (const one of cleanUp) await one();
  rmSync(root, { recursive: true, force: true });
});

const TOPICS = ['tea', 'rain', 'bread', 'maps', 'music', 'stars', 'boats', 'trees'];
const pairs = Array.from({ length: 80 }, (_, i) => ({
  id: `p${i}`,
  prompt: `Say something about ${TOPICS[i % 8]}, number ${i}.`,
  chosen: `A kind answer about ${TOPICS[i % 8]}.`,
  rejected: 'Nothing here.',
}));

const SMALL = {
  'base.pretrained': { hub: 'me/tiny', revision: REVISION },
  'data.maxTestPairs': 4,
  'distill.pairs': 16,
  'sft.batchSize': 4,
  'grpo.steps': 2,
  'grpo.promptsPerStep': 2,
  'grpo.groupSize': 3,
  'grpo.maxNewTokens': 24,
  'evaluate.maxNewTokens': 24,
  threads: 1,
};

test('the base is imported, adapters are trained by SFT and GRPO, and every model is judged', async () => {
  writeTinyModel(
    join(root, 'model'),
    pairs.flatMap(({ prompt, chosen, rejected }) => [prompt, chosen, rejected]),
  );
  const hub = await startHub(join(root, 'model'));
  cleanUp.push(hub.close);
  const data = join(root, 'pairs.jsonl');
  writeFileSync(data, pairs.map((pair) => `${JSON.stringify(pair)}\n`).join(''));

  const up = await runCommand(['up', '--detach', '--json'], { ...env, HF_ENDPOINT: hub.endpoint });
  expect(up.code, up.stderr).toBe(0);
  const args = ['run', '--data', data, '--recipe', 'smollm2-135m', '--oracle', 'local', '--id', 'small'];
  const run = await runCommand([...args, ...asSettings(SMALL)], env);
  expect(run.code, run.stderr).toBe(0);

  const text = await readFile(join(env.RMR1_HOME, 'runs/small/report.json'), 'utf8');
  const report = JSON.parse(text) as ReportData;
  expect(report.curves.base).toBeUndefined();
  expect(report.taught).toEqual([expect.stringContaining('The base model is me/tiny')]);
  for (const stage of ['sft', 'grpo'] as const)
    expect(report.curves[stage]!.every(({ loss }) => Number.isFinite(loss))).toBe(true);
  expect(report.systems.map(({ id }) => id)).toEqual(['base', 'sft', 'grpo']);
});
