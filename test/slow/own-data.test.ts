/** A user's own transcripts through every stage: up, run, report, down, with the commands of the README. */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { ReportData } from '../../activities/evaluation/report/report-data.js';
import { projectRoot } from '../../infra/environment.js';
import { runCommand } from '../support/command.js';
import { processesOf } from '../support/processes.js';
import { asSettings } from '../support/tiny-recipe.js';

const DATA = join(projectRoot(), '../shared/data/hh-rlhf/harmless-base-test.mild.jsonl.gz');
const homes: string[] = [];

afterAll(async () => {
  for (const home of homes) {
    await runCommand(['down'], { RMR1_HOME: home });
    await rm(home, { recursive: true, force: true });
  }
});

/** Every stage with real gradients, and nothing that takes long. */
const SMALL = {
  'data.maxPairs': 200,
  'data.testShare': 0.1,
  'data.maxTestPairs': 8,
  'base.architecture': {
    hiddenSize: 64,
    layers: 2,
    heads: 2,
    kvHeads: 2,
    intermediateSize: 160,
    maxLength: 768,
  },
  'base.tokenizer': { kind: 'bpe', vocabularySize: 1024 },
  'base.documents': 64,
  'base.batchSize': 8,
  'distill.pairs': 40,
  'sft.batchSize': 8,
  'sft.epochs': 1,
  'grpo.steps': 2,
  'grpo.promptsPerStep': 2,
  'grpo.groupSize': 3,
  'grpo.maxNewTokens': 32,
  'evaluate.maxNewTokens': 32,
};

test('HH-RLHF transcripts train a judge; the report says that the labels answered', async (context) => {
  context.skip(!existsSync(DATA), `The data file ${DATA} is not on this machine.`);
  const home = await mkdtemp(join(tmpdir(), 'rmr1-own-data-'));
  homes.push(home);
  const env = { RMR1_HOME: home, RMR1_ARTIFACT_CACHE: '' };

  const up = await runCommand(['up', '--detach', '--json'], env);
  expect(up.code, up.stderr).toBe(0);

  const args = ['run', '--data', DATA, '--recipe', 'scratch', '--oracle', 'local', '--id', 'own'];
  const run = await runCommand([...args, ...asSettings(SMALL)], env);
  expect(run.code, run.stderr).toBe(0);
  expect(run.stdout).toMatch(/^Report: /m);

  const report = JSON.parse(await readFile(join(home, 'runs/own/report.json'), 'utf8')) as ReportData;
  expect(report.stages.map(({ name }) => name)).toEqual([
    'dataset',
    'base',
    'distill',
    'sft',
    'grpo',
    'evaluate',
  ]);
  const stats = report.distillation!;
  expect(stats.judged).toBe(40);
  // All answers come from the gold labels of the file, none from a truth of the oracle's own.
  expect(Object.keys(stats.fingerprints).length).toBeGreaterThan(0);
  for (const fingerprint of Object.keys(stats.fingerprints)) expect(fingerprint).toMatch(/gold-label/);
  expect(stats.agreement).toBeGreaterThan(0.4);
  expect(stats.agreement).toBeLessThan(1);

  for (const stage of ['base', 'sft', 'grpo'] as const) {
    const losses = report.curves[stage]!.map(({ loss }) => loss);
    expect(losses.every(Number.isFinite)).toBe(true);
    expect(losses.length).toBeGreaterThan(1);
  }
  // It has learnt the language of the transcripts a little: the warm-up's loss falls.
  const warmUp = report.curves.base!;
  expect(warmUp.at(-1)!.loss).toBeLessThan(warmUp[0]!.loss);
  expect(report.systems.map(({ id }) => id)).toEqual(['base', 'sft', 'grpo']);
  const html = await readFile(join(home, 'runs/own/report.html'), 'utf8');
  expect(html).toContain('gold-label');

  const down = await runCommand(['down'], env);
  expect(down.code, down.stderr).toBe(0);
  expect(processesOf(home)).toEqual([]);
});
