/** The last step of a benchmark evaluation: verdicts of all shards in, one verdict file with its protocol and scores out. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type {
  BenchmarkScore,
  VerdictHeader,
  VerdictProtocol,
  VerdictRecord,
} from '../../benchmarks/index.js';
import { scoreVerdicts, VERDICT_FILE_SCHEMA } from '../../benchmarks/index.js';
import { projectRoot } from '../../infra/environment.js';
import { isEngineJudge, type JudgeSettings, type Sampling } from '../../workflows/judge-settings.js';
import type { ArtifactStore } from '../artifacts/store.js';
import { codeCommit } from '../code-commit.js';
import type { BenchmarkStageInput, ScoreBenchmarkInput } from '../interface.js';
import { finishStage, findStage, type StageIdentity } from '../stage.js';
import type { StageOutcome } from '../stage-outcome.js';
import { VERSIONS } from '../versions.js';

/** Content of the scores artefact of a benchmark evaluation. */
export interface BenchmarkScores {
  protocol: VerdictProtocol;
  score: BenchmarkScore;
  /** Mean outcome of a vote of 1, 2, … all samples; absent for one sample. */
  accuracyByVotes?: number[];
  /** Judgements asked in this run, and found from earlier ones. */
  asked: number;
  found: number;
  /** True where it was stopped before all items were judged. */
  stopped: boolean;
}

/** What an evaluation gives: where the endpoint is and how fast it is asked do not matter. */
function benchmarkIdentity(input: BenchmarkStageInput): StageIdentity {
  const { benchmark, items, judge, sampling, orders, votes } = input;
  return {
    stage: 'evaluate',
    inputs: {
      items: items.items,
      ...('model' in judge && typeof judge.model !== 'string' ? { model: judge.model } : {}),
    },
    settings: { benchmark, judge: judgeOnly(judge), sampling, orders, votes },
    versions: { evaluation: VERSIONS.evaluation, engine: VERSIONS.engine },
    seed: orders.seed,
  };
}

type Bare = Record<string, unknown>;

function judgeOnly(judge: JudgeSettings): Bare {
  if (judge.kind === 'majority') return { ...judge, members: judge.members.map(judgeOnly) };
  const {
    baseUrl: _,
    timeoutSeconds: __,
    concurrency: ___,
    threads: ____,
    batchSize: _____,
    gpus: ______,
    ...rest
  } = judge as Bare;
  return rest;
}

/** A finished evaluation of these items by this judge. A directory may have changed since: it is judged again. */
export async function findBenchmark(
  store: ArtifactStore,
  input: BenchmarkStageInput,
): Promise<StageOutcome | undefined> {
  if (isEngineJudge(input.judge) && typeof input.judge.model === 'string') return undefined;
  return findStage(store, benchmarkIdentity(input));
}

/** Join, score, store. An evaluation that was stopped is no finished stage: the same command goes on with it. */
export async function scoreBenchmark(
  store: ArtifactStore,
  input: ScoreBenchmarkInput,
): Promise<StageOutcome> {
  const records: VerdictRecord[] = [];
  for (const ref of input.verdicts)
    for await (const line of store.openLines(ref)) records.push(line as VerdictRecord);
  const protocol = protocolOf(input);
  const header: VerdictHeader = { protocol };
  const score = scoreVerdicts(input.benchmark, records, { bothOrders: input.orders.mode === 'both' });
  const judged = records.length;
  const scores: BenchmarkScores = {
    protocol,
    score,
    ...(input.votes > 1 ? { accuracyByVotes: input.curve.map((total) => total / judged) } : {}),
    asked: input.asked,
    found: input.found,
    stopped: input.stopped,
  };
  const outputs = {
    verdicts: await store.putLines('verdicts', [header, ...records]),
    scores: await store.putBytes('scores', JSON.stringify(scores, null, 2)),
  };
  const metrics = {
    score: score.score,
    low: score.low,
    high: score.high,
    judgements: judged,
    errors: score.errors,
  };
  const cost = {
    usd: records.reduce((sum, { costUsd = 0 }) => sum + costUsd, 0),
    inputTokens: input.inputTokens,
    outputTokens: input.outputTokens,
    seconds: input.seconds,
  };
  if (!input.stopped)
    return finishStage(store, benchmarkIdentity(input), input.context, { outputs, metrics, cost });
  return { stage: 'evaluate', key: '', reused: false, outputs, parents: {}, metrics, cost };
}

const MODEL_KINDS = ['openai', 'pointwise', 'scalar'];

function protocolOf(input: ScoreBenchmarkInput): VerdictProtocol {
  const { judge, sampling, orders, votes, items, identity } = input;
  const model = 'model' in judge && typeof judge.model === 'string' ? judge.model : undefined;
  const hash = isEngineJudge(judge) || judge.kind === 'vllm' ? String(identity['model']) : undefined;
  const endpoint = 'baseUrl' in judge && judge.baseUrl ? new URL(judge.baseUrl).host : undefined;
  const promptVersion = identity['promptVersion'];
  const writes = !['scalar', 'local-scalar', 'likelihood', 'length', 'random', 'oracle'].includes(judge.kind);
  return {
    schema: VERDICT_FILE_SCHEMA,
    benchmark: input.benchmark,
    judge: {
      kind: judge.kind,
      label: labelOf(judge),
      ...(model && MODEL_KINDS.includes(judge.kind) ? { model } : {}),
      ...(hash ? { modelSha256: hash } : {}),
      ...(endpoint ? { endpoint } : {}),
    },
    ...(typeof promptVersion === 'string' ? { promptVersion } : {}),
    orders,
    ...(writes ? { sampling: samplingOf(sampling, identity, votes) } : {}),
    ...('price' in judge && judge.price ? { price: judge.price } : {}),
    data: { source: items.source, sha256: items.sha256, items: items.count },
    software: {
      rmr1: packageVersion(),
      commit: codeCommit(),
      node: process.versions.node,
      engine: VERSIONS.engine,
    },
    startedAt: input.startedAt,
    finishedAt: new Date().toISOString(),
  };
}

function samplingOf(sampling: Sampling, identity: Bare, votes: number) {
  const { temperature, maxTokens, seed } = sampling;
  // A local judge cannot write more than its context leaves.
  const used = typeof identity['maxTokens'] === 'number' ? identity['maxTokens'] : maxTokens;
  return { temperature, topP: 1, maxTokens: used, votes, ...(temperature > 0 ? { seed } : {}) };
}

function labelOf(judge: JudgeSettings): string {
  if (judge.kind === 'majority') return `majority of ${judge.members.map(({ model }) => model).join(', ')}`;
  if (judge.kind === 'local') return 'local model';
  if (judge.kind === 'local-scalar') return 'local reward model';
  if (judge.kind === 'likelihood') return 'log-likelihood of the answers';
  if (judge.kind === 'vllm') return 'model on vLLM';
  return 'model' in judge ? judge.model : judge.kind;
}

function packageVersion(): string {
  const text = readFileSync(join(projectRoot(), 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
