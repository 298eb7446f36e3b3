/** The last stage: everything the run found out, as one offline HTML page and as JSON. */
import type { Judgement } from '../../benchmarks/index.js';
import type { StepMetrics } from '../../engine/job.js';
import { codeCommit } from '../code-commit.js';
import type { Pretrained, Recipe } from '../../recipes/schema.js';
import { WHAT_THE_BASE_WAS_TAUGHT } from '../../world/index.js';
import type { ArtifactRef } from '../artifacts/ref.js';
import type { ArtifactStore } from '../artifacts/store.js';
import { readPairLines } from '../dataset/pair-lines.js';
import type { ReportInput } from '../interface.js';
import type { DistillationStats } from '../oracle/distillation-stats.js';
import { finishStage } from '../stage.js';
import type { StageOutcome } from '../stage-outcome.js';
import { VERSIONS } from '../versions.js';
import { buildReport, pickExamples, type Curves, type ReportData, type StageRow } from './report/index.js';
import { judgedSystem, type Scores } from './score-judgements.js';

export async function writeReport(store: ArtifactStore, input: ReportInput): Promise<StageOutcome> {
  const began = Date.now();
  const data = await reportData(store, input);
  const { html, json } = buildReport(data);
  const identity = {
    stage: 'report' as const,
    inputs: { recipe: input.recipeRef, ...scoresRef(input) },
    settings: { runId: input.context.runId, startedAt: input.startedAt },
    versions: { report: VERSIONS.report },
    seed: input.seed,
  };
  return finishStage(store, identity, input.context, {
    outputs: {
      report: await store.putBytes('report', html),
      reportJson: await store.putBytes('report', json),
    },
    metrics: {},
    cost: { usd: 0, inputTokens: 0, outputTokens: 0, seconds: (Date.now() - began) / 1000 },
  });
}

async function reportData(store: ArtifactStore, input: ReportInput): Promise<ReportData> {
  const { recipe, seed, context } = input;
  const stage = (name: string) => input.stages.findLast((candidate) => candidate.stage === name);
  const evaluation = stage('evaluate');
  const dataset = stage('dataset');
  const stats = stage('distill')?.outputs.stats;
  const scores = evaluation ? await readJson<Scores>(store, evaluation.outputs.scores!) : undefined;
  return {
    title: recipe.title,
    world: describeWorld(recipe),
    run: {
      id: context.runId,
      recipe: recipe.name,
      seed,
      codeCommit: codeCommit(),
      startedBy: context.startedBy,
      startedAt: input.startedAt,
      finishedAt: new Date().toISOString(),
    },
    recipe,
    protocol: `greedy decoding, at most ${recipe.evaluate.maxNewTokens} tokens, every pair in both orders`,
    stages: input.stages.map(stageRow),
    systems: scores?.systems ?? [],
    comparisons: scores?.comparisons ?? [],
    rounds: input.stages
      .filter((outcome) => outcome.stage === 'distill' && outcome.round !== undefined)
      .map(({ metrics }) => ({ agreement: metrics.agreement ?? 0, traces: metrics.traces ?? 0 })),
    ...(stats ? { distillation: await readJson<DistillationStats>(store, stats) } : {}),
    curves: await readCurves(store, input),
    examples:
      evaluation && dataset ? await examples(store, recipe, seed, evaluation.outputs, dataset.outputs) : [],
    taught: taught(recipe),
  };
}

function stageRow({
  stage,
  round,
  wallSeconds,
  cost,
  reused,
  outputs,
}: ReportInput['stages'][number]): StageRow {
  const artifact = outputs.model ?? outputs.traces ?? outputs.scores ?? outputs.train;
  return {
    name: round === undefined ? stage : `${stage}, round ${round}`,
    seconds: reused ? cost.seconds : wallSeconds,
    costUsd: cost.usd,
    inputTokens: cost.inputTokens,
    outputTokens: cost.outputTokens,
    reused,
    ...(artifact ? { artifact } : {}),
  };
}

function describeWorld(recipe: Recipe): ReportData['world'] {
  return recipe.data.source === 'world'
    ? {
        label: 'preference world (generated)',
        note: 'All numbers are about a small generated world with known truth, not about natural language; they say that the pipeline learns, not how a large model would score on the published benchmarks.',
      }
    : {
        label: 'your pairs',
        note: 'All numbers are about the held-out split of the pairs this run was given, with its own labels as gold.',
      };
}

function taught(recipe: Recipe): string[] {
  if (recipe.base.kind === 'pretrained')
    return [
      `The base model is ${publishedName(recipe.base.pretrained)}, as it was published: nothing was taught to it before SFT. What it had been trained on is not known here; these pairs may be among it.`,
    ];
  if (recipe.data.source === 'world') return WHAT_THE_BASE_WAS_TAUGHT.split('\n').filter(Boolean);
  return [
    'The base model was made from nothing by a short warm-up on replies of the training split, preferred and rejected ones in turn: it knows some language, and neither the form of a judgement nor any preference.',
  ];
}

function publishedName(source: Pretrained): string {
  return 'hub' in source ? `${source.hub} at ${source.revision.slice(0, 12)}` : source.wheel;
}

async function readCurves(store: ArtifactStore, { stages }: ReportInput): Promise<Curves> {
  const curves: Curves = {};
  for (const name of ['base', 'sft', 'grpo'] as const) {
    const metrics = stages.findLast(({ stage }) => stage === name)?.outputs.metrics;
    if (metrics) curves[name] = await readAll<StepMetrics>(store, metrics);
  }
  return curves;
}

async function examples(
  store: ArtifactStore,
  recipe: Recipe,
  seed: number,
  evaluation: Record<string, ArtifactRef>,
  dataset: Record<string, ArtifactRef>,
): Promise<ReportData['examples']> {
  const systems = [];
  for (const id of recipe.evaluate.stages) {
    const verdicts = evaluation[`verdicts-${id}`];
    if (verdicts) systems.push(judgedSystem(id, await readAll<Judgement>(store, verdicts)));
  }
  const pairs = [];
  for (const ref of [dataset[recipe.evaluate.split], dataset.matrix]) {
    if (ref) pairs.push(...(await readPairLines(store, ref)).map(({ pair }) => pair));
  }
  return pickExamples(systems, pairs, seed);
}

function scoresRef({ stages }: ReportInput): Record<string, ArtifactRef> {
  const scores = stages.findLast(({ stage }) => stage === 'evaluate')?.outputs.scores;
  return scores ? { scores } : {};
}

async function readJson<T>(store: ArtifactStore, ref: ArtifactRef): Promise<T> {
  return JSON.parse((await store.getBytes(ref)).toString('utf8')) as T;
}

async function readAll<T>(store: ArtifactStore, ref: ArtifactRef): Promise<T[]> {
  const rows: T[] = [];
  for await (const row of store.openLines(ref)) rows.push(row as T);
  return rows;
}
