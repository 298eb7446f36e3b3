/** The last step of an evaluation: judgements in, one scores artefact out. */
import type { Judgement } from '../../benchmarks/index.js';
import { judgeServerOf } from '../../recipes/judge-server.js';
import type { ArtifactRef } from '../artifacts/ref.js';
import type { ArtifactStore } from '../artifacts/store.js';
import type { EvaluationInput, IoActivities } from '../interface.js';
import { precisionOf } from '../ray/make-spec.js';
import { finishStage, findStage, type StageIdentity } from '../stage.js';
import type { StageOutcome } from '../stage-outcome.js';
import { VERSIONS } from '../versions.js';
import { compareSystems, summariseSystem } from './report/index.js';
import type { ComparisonRow, JudgedSystem, SystemRow } from './report/index.js';

/** Content of a scores artefact: the systems and comparisons of the report. */
export interface Scores {
  systems: SystemRow[];
  comparisons: ComparisonRow[];
}

function evaluationIdentity({ recipe, models, pairs, matrix, served }: EvaluationInput): StageIdentity {
  const { batchSize: _, ...settings } = recipe.evaluate;
  return {
    stage: 'evaluate',
    inputs: { ...models, pairs, ...(matrix ? { matrix } : {}) },
    settings: {
      ...settings,
      promptVersion: recipe.promptVersion,
      context: recipe.base.architecture.maxLength,
      ...(served
        ? { server: { kind: 'vllm', precision: precisionOf(recipe), ...judgeServerOf(recipe) } }
        : {}),
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
  const judged = Object.entries(all).map(([id, judgements]) => judgedSystem(id, judgements));
  const scores: Scores = { systems: judged.map(summariseSystem), comparisons: compareSystems(judged) };
  outputs.scores = await store.putBytes('scores', JSON.stringify(scores, null, 2));
  const metrics = Object.fromEntries(
    scores.systems.map(({ id, accuracy }) => [`accuracy.${id}`, accuracy.overall.accuracy]),
  );
  return finishStage(store, evaluationIdentity(input), input.context, {
    outputs,
    metrics: { ...metrics, judgements: Object.values(all).reduce((sum, { length }) => sum + length, 0) },
    cost: { usd: 0, inputTokens: 0, outputTokens: input.tokens, seconds: input.seconds },
  });
}

const LABELS: Record<string, string> = { base: 'Base', sft: 'SFT', grpo: 'SFT + GRPO' };

/** Judgements of one judge; the style matrix is judged on items of its own and does not enter the table. */
export function judgedSystem(id: string, all: readonly Judgement[]): JudgedSystem {
  const matrix = all.filter(({ group }) => group !== undefined);
  return {
    id,
    label: LABELS[id] ?? id,
    judgements: all.filter(({ group }) => group === undefined),
    ...(matrix.length > 0 ? { matrix } : {}),
  };
}
