import { createHash } from 'node:crypto';
import { compareSystems, pickExamples, summariseSystem } from '../../activities/evaluation/report/index.js';
import type { JudgedSystem, ReportData } from '../../activities/evaluation/report/index.js';
import type { Judgement } from '../../benchmarks/index.js';
import type { StepMetrics } from '../../engine/job.js';
import { present } from '../../judge/pair.js';
import type { Pair } from '../../judge/pair.js';
import { parseVerdict } from '../../judge/verdict.js';
import { generateWorld } from '../../world/generate.js';
import { flawedTrace, solve } from '../../world/solve.js';

/** A number in [0, 1) that depends on its arguments only. */
function chance(...parts: (string | number)[]): number {
  return createHash('sha256').update(parts.join('|')).digest().readUInt32BE(0) / 2 ** 32;
}

/** An invented judge: right with `skill`, drawn to the more elaborate answer with `vanity`, to A with `bias`. */
interface Temper {
  id: string;
  label: string;
  description: string;
  skill: number;
  vanity: number;
  bias: number;
}

function judgeAll(temper: Temper, pairs: readonly Pair[]): Judgement[] {
  return pairs.flatMap((pair) =>
    (['A', 'B'] as const).map((gold): Judgement => {
      const { answerA, answerB } = present(pair, gold);
      const draw = (what: string): number => chance(temper.id, what, pair.id, what === 'skill' ? '' : gold);
      const styles = pair.styles ?? { chosen: 0, rejected: 0 };
      const elaborate = Math.sign(styles.chosen - styles.rejected);
      const vain = elaborate !== 0 && draw('vanity') < temper.vanity;
      const right = vain
        ? elaborate > 0
        : draw('skill') < temper.skill || (draw('bias') < temper.bias ? gold === 'A' : gold === 'B');
      const trace =
        (right ? solve : flawedTrace)(pair.conversation, answerA, answerB)?.trace ?? '<type> Chat';
      const finished = draw('cut') > 0.006;
      const text = finished ? trace : trace.slice(0, 80);
      return {
        pairId: pair.id,
        category: pair.category,
        gold,
        verdict: parseVerdict(text),
        ...(pair.styles && { styles: pair.styles }),
        ...(pair.group !== undefined && { group: pair.group }),
        promptSha256: createHash('sha256')
          .update(JSON.stringify([pair, gold]))
          .digest('hex'),
        text,
        tokens: text.split(/\s+/).length,
        finished,
      };
    }),
  );
}

function steps(
  total: number,
  at: (progress: number, noise: number, step: number) => Partial<StepMetrics>,
): StepMetrics[] {
  return Array.from({ length: total }, (_, index) => ({
    step: index + 1,
    tokens: 1500,
    seconds: 0.2,
    learningRate: 1e-3,
    gradNorm: 0.5,
    loss: 0,
    ...at(index / total, chance('noise', index) - 0.5, index),
  }));
}

/** A report with the shape of a real one. Every figure is invented: for tests of the rendering only. */
export function sampleReport(): ReportData {
  const world = generateWorld({ seed: 5, train: 1, validation: 1, test: 220, matrix: 16 });
  const tempers: Temper[] = [
    {
      id: 'base',
      label: 'Base',
      description: 'warm-up only, never judged',
      skill: 0.08,
      vanity: 0.6,
      bias: 0.62,
    },
    { id: 'sft', label: 'SFT', description: 'on 1,500 oracle traces', skill: 0.84, vanity: 0.04, bias: 0.5 },
    { id: 'grpo', label: 'GRPO', description: 'the final judge', skill: 0.93, vanity: 0.01, bias: 0.5 },
  ];
  const systems: JudgedSystem[] = tempers.map((temper) => ({
    ...temper,
    judgements: judgeAll(temper, world.test),
    matrix: judgeAll(temper, world.matrix),
  }));
  const categories = [...new Set(world.test.map(({ category }) => category))].sort();
  const stage = (name: string, seconds: number, rest: Partial<ReportData['stages'][number]> = {}) => ({
    name,
    seconds,
    costUsd: 0,
    inputTokens: 0,
    outputTokens: 0,
    reused: false,
    artifact: {
      uri: `s3://rmr1/artifacts/${name}/9f/9f2c41d07b.jsonl`,
      sha256: createHash('sha256').update(name).digest('hex'),
      bytes: 1_400_000,
    },
    ...rest,
  });
  return {
    title: 'Preference world, from nothing to a reasoning judge in minutes',
    world: {
      label: 'Sample data of a rendering test',
      note: 'Pairs of the generated preference world judged by invented judges; none of these figures was measured.',
    },
    rounds: [],
    run: {
      id: 'rmr1-quickstart-20260101-120000',
      recipe: 'quickstart',
      seed: 5,
      codeCommit: 'da61fe0c0ffee0c0ffee0c0ffee0c0ffee0c0ffe',
      startedBy: 'tester@example',
      startedAt: '2026-01-01T12:00:00.000Z',
      finishedAt: '2026-01-01T12:07:41.000Z',
    },
    recipe: { name: 'quickstart', seed: 5, grpo: { steps: 60, groupSize: 8 } },
    protocol: 'greedy decoding, every pair in both orders',
    stages: [
      stage('dataset', 1.2),
      stage('base', 171, { reused: true }),
      stage('distill', 24.6, { costUsd: 1.8342, inputTokens: 182_340, outputTokens: 96_120 }),
      stage('sft', 62),
      stage('grpo', 96.4),
      stage('evaluate', 48),
      stage('report', 0.4),
    ],
    systems: systems.map(summariseSystem),
    comparisons: compareSystems(systems),
    distillation: {
      judged: 1500,
      agreement: 0.752,
      agreementByCategory: Object.fromEntries(
        categories.map((name) => [
          name,
          { judged: 120, agreed: Math.round(84 + 16 * chance('agreed', name)) },
        ]),
      ),
      agreementByLength: { '0-249': { judged: 1100, agreed: 840 }, '250-499': { judged: 400, agreed: 288 } },
      agreementByGold: { A: { judged: 751, agreed: 569 }, B: { judged: 749, agreed: 559 } },
      corrected: { asked: 372, agreed: 361 },
      traces: { direct: 1128, hinted: 361 },
      hintedShare: 361 / 1489,
      rejected: { 'wrong-verdict': 380, cut: 3 },
      partial: false,
      goldAtA: 0.501,
      meanTraceCharacters: 212,
      costUsd: 1.8342,
      costPerTraceUsd: 1.8342 / 1489,
      answeredFromCache: 0,
      fingerprints: { 'world-truth': 1872 },
    },
    curves: {
      base: steps(1100, (at, noise) => ({
        loss: 0.32 + 5.2 * Math.exp(-14 * at) + 0.5 * (1 - at) + 0.12 * noise,
      })),
      sft: steps(376, (at, noise) => ({
        loss: 0.012 + 0.5 / (1 + Math.exp(16 * (at - 0.35))) + 0.05 * noise * (1.1 - at),
      })),
      grpo: steps(60, (at, noise, step) => ({
        loss: 0.01 * noise,
        reward: 0.71 + 0.16 * (1 - Math.exp(-3 * at)) + 0.12 * noise,
        kl: 0.0009 * at + 0.0003 * Math.abs(noise),
        completionTokens: 46 + 3 * at + 3 * noise,
        informativeGroups: Math.max(0, 0.42 - 0.24 * at + 0.2 * (chance('group', step) - 0.5)),
        clipShare: 0.01,
      })),
    },
    examples: pickExamples(systems, [...world.test, ...world.matrix], 5),
    taught: [
      'The base model read 36,000 documents: drills of single digits and word classes, questions with correct replies, and judgements in the Chain-of-Rubrics form with correct steps whose verdicts were drawn at random.',
      'It never saw a verdict that followed from the steps, nor any held-out problem.',
    ],
    methods: ['Figures of this sample are invented by a test.'],
    limits: ['Nothing in this sample was measured.'],
  };
}
