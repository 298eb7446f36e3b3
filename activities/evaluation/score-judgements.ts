/** From judgements to scores: tables, style matrices, position statistics, paired comparisons. */
import {
  accuracyTable,
  comparePaired,
  positionStats,
  styleMatrix,
  type AccuracyTable,
  type Judgement,
  type PairedComparison,
  type PositionStats,
  type StyleMatrix,
} from '../../benchmarks/index.js';
import type { ArtifactRef } from '../artifacts/ref.js';
import type { ArtifactStore } from '../artifacts/store.js';
import type { EvaluationInput, IoActivities } from '../interface.js';
import { finishStage, findStage, type StageIdentity } from '../stage.js';
import type { StageOutcome } from '../stage-outcome.js';
import { VERSIONS } from '../versions.js';

/** Scores of one judge. The style matrix is judged on items of its own and does not enter the table. */
export interface JudgeScores {
  table: AccuracyTable;
  positions: PositionStats;
  matrix?: StyleMatrix;
  /** Judgements cut by the token limit. */
  unfinished: number;
  meanTokens: number;
}

/** Content of a scores artefact. */
export interface Scores {
  judges: Record<string, JudgeScores>;
  comparisons: { before: string; after: string; result: PairedComparison }[];
}

function evaluationIdentity({ recipe, models, pairs, matrix }: EvaluationInput): StageIdentity {
  const { batchSize: _, ...settings } = recipe.evaluate;
  return {
    stage: 'evaluate',
    inputs: { ...models, pairs, ...(matrix ? { matrix } : {}) },
    settings: {
      ...settings,
      promptVersion: recipe.promptVersion,
      context: recipe.base.architecture.maxLength,
    },
    versions: { evaluation: VERSIONS.evaluation, engine: VERSIONS.engine },
    seed: 0,
  };
}

export function findEvaluation(
  store: ArtifactStore,
  input: EvaluationInput,
): Promise<StageOutcome | undefined> {
  return findStage(store, evaluationIdentity(input));
}

export async function scoreJudgements(
  store: ArtifactStore,
  input: Parameters<IoActivities['scoreJudgements']>[0],
): Promise<StageOutcome> {
  const all: Record<string, Judgement[]> = {};
  const outputs: Record<string, ArtifactRef> = {};
  for (const [judge, refs] of Object.entries(input.judgements)) {
    const judgements: Judgement[] = [];
    for (const ref of refs) for await (const line of store.openLines(ref)) judgements.push(line as Judgement);
    all[judge] = judgements;
    outputs[`verdicts-${judge}`] = await store.putLines('verdicts', judgements);
  }
  const scores = scoresOf(all);
  outputs.scores = await store.putBytes('scores', JSON.stringify(scores, null, 2));
  const metrics = Object.fromEntries(
    Object.entries(scores.judges).map(([judge, { table }]) => [`accuracy.${judge}`, table.overall.accuracy]),
  );
  return finishStage(store, evaluationIdentity(input), input.context, {
    outputs,
    metrics: { ...metrics, judgements: Object.values(all).reduce((sum, { length }) => sum + length, 0) },
    cost: { usd: 0, inputTokens: 0, outputTokens: input.tokens, seconds: input.seconds },
  });
}

/** Scores of each judge, and of each judge against the one before it. */
export function scoresOf(all: Record<string, Judgement[]>): Scores {
  const judges: Scores['judges'] = {};
  for (const [judge, judgements] of Object.entries(all)) {
    const plain = judgements.filter(({ group }) => group === undefined);
    const matrix = styleMatrix(judgements.filter(({ group }) => group !== undefined));
    judges[judge] = {
      table: accuracyTable(plain),
      positions: positionStats(plain),
      ...(matrix ? { matrix } : {}),
      unfinished: judgements.filter(({ finished }) => !finished).length,
      meanTokens: judgements.reduce((sum, { tokens }) => sum + tokens, 0) / Math.max(1, judgements.length),
    };
  }
  const names = Object.keys(all);
  const comparisons = names.slice(1).map((after, index) => {
    const before = names[index]!;
    const plain = (judge: string) => all[judge]!.filter(({ group }) => group === undefined);
    return { before, after, result: comparePaired(plain(before), plain(after)) };
  });
  return { judges, comparisons };
}
