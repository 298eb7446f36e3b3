/** `evaluate` with a benchmark: any judge, shard by shard, stopped and resumed anywhere, nothing judged twice. */
import { isCancellation, patched, workflowInfo } from '@temporalio/workflow';
import type { ArtifactRef } from '../activities/artifacts/ref.js';
import type { BenchmarkStageInput, JudgeItemsResult } from '../activities/interface.js';
import type { ServerOwner } from '../activities/ray/serving-spec.js';
import type { StageContext, StageOutcome } from '../activities/stage-outcome.js';
import { wilson } from '../benchmarks/intervals.js';
import { io, judging } from './activities.js';
import { BenchmarkControl, type SectionTally } from './benchmark-control.js';
import { benchmarkInputSchema, type PreparedItems, type ResolvedBenchmarkInput } from './benchmark-input.js';
import { parseInput } from './parse-input.js';
import { releaseJudgeServer } from './with-judge-server.js';

/** Items of one activity. What it judged is in the store item by item, so a lost worker costs what was in flight. */
const SHARD = 2_000;

export async function evaluateBenchmark(input: unknown): Promise<StageOutcome> {
  const parsed = parseInput(benchmarkInputSchema, input);
  const control = new BenchmarkControl(`${parsed.benchmark} by ${parsed.judge.kind}`);
  try {
    const outcome = await evaluations(control, parsed);
    control.end('completed', outcome);
    return outcome;
  } catch (error) {
    control.end(isCancellation(error) ? 'cancelled' : 'failed');
    throw error;
  }
}

/** One evaluation for each completion budget. */
async function evaluations(control: BenchmarkControl, input: ResolvedBenchmarkInput): Promise<StageOutcome> {
  const { data } = input;
  const items = Array.isArray(data)
    ? await control.run(() => io().prepareBenchmark({ benchmark: input.benchmark, data }))
    : data;
  if (!items) return nothing();
  const budgets = input.budgets ?? [input.sampling.maxTokens];
  const outcomes: [number, StageOutcome][] = [];
  for (const maxTokens of budgets) {
    if (control.stopped && outcomes.length > 0) break;
    const sampling = { ...input.sampling, maxTokens };
    outcomes.push([maxTokens, await evaluation(control, { ...input, sampling }, items)]);
  }
  const [[, only]] = outcomes as [[number, StageOutcome]];
  const outcome = outcomes.length === 1 ? only : joined(outcomes);
  return withReport(control, contextOf(input), items.items, outcomes, outcome);
}

/** The outcome with its page. Evaluations that were stopped before anything was judged have none. */
async function withReport(
  control: BenchmarkControl,
  context: StageContext,
  items: ArtifactRef,
  outcomes: readonly [number, StageOutcome][],
  outcome: StageOutcome,
): Promise<StageOutcome> {
  const evaluations = outcomes.flatMap(
    ([
      ,
      {
        outputs: { verdicts, scores },
      },
    ]) => (verdicts && scores ? [{ verdicts, scores }] : []),
  );
  if (evaluations.length === 0 || !patched('benchmark-report')) return outcome;
  const report = await control.run(() => io().reportBenchmark({ context, items, evaluations }));
  return report ? { ...outcome, outputs: { ...outcome.outputs, report } } : outcome;
}

async function evaluation(
  control: BenchmarkControl,
  input: ResolvedBenchmarkInput,
  items: PreparedItems,
): Promise<StageOutcome> {
  const { judge, sampling, orders, votes, benchmark } = input;
  const stage: BenchmarkStageInput = {
    context: contextOf(input),
    benchmark,
    items,
    judge,
    sampling,
    orders,
    votes,
  };
  const found = await control.run(() => io().findBenchmark(stage));
  if (found) return found;
  const sum = new Sum(votes, items.count * (orders.mode === 'both' ? 2 : 1));
  const startedAt = new Date().toISOString();
  for (let from = 0; from < items.count && !control.stopped;) {
    const to = Math.min(items.count, from + SHARD);
    const asked = () =>
      judging(judge.kind).judgeItems({
        ...stage,
        items: items.items,
        from,
        to,
        before: sum.before,
        ...(sum.concurrency ? { concurrency: sum.concurrency } : {}),
      });
    const shard = await control.run(judge.kind === 'vllm' ? () => atServer(serverOf(judge), asked) : asked);
    // A shard that a pause cut short is judged again from the store; one that a stop cut short is scored as it is.
    if (shard?.status === 'stopped' && !control.stopped) continue;
    if (shard) sum.add(shard);
    from = to;
    control.report(sum.figures, sum.sections);
    if (input.stopAt !== undefined && sum.halfWidth <= input.stopAt) control.stop();
  }
  if (judge.kind === 'vllm') await releaseJudgeServer(serverOf(judge));
  if (sum.verdicts.length === 0) return nothing();
  const stopped = sum.judged < sum.total;
  return (
    (await control.run(() =>
      io().scoreBenchmark({ ...stage, ...sum.totals, verdicts: sum.verdicts, startedAt, stopped }),
    )) ?? nothing()
  );
}

/** Ask at a server on the cluster; it is kept for the next shard, but not through a pause or while a person is waited for. */
async function atServer(owner: ServerOwner, ask: () => Promise<JudgeItemsResult>): Promise<JudgeItemsResult> {
  let shard: JudgeItemsResult | undefined;
  try {
    return (shard = await ask());
  } finally {
    if (shard?.status !== 'done') await releaseJudgeServer(owner);
  }
}

function serverOf({ model }: { model: ArtifactRef }): ServerOwner {
  return { runId: workflowInfo().workflowId, stage: 'evaluate', model };
}

function contextOf({ startedBy }: ResolvedBenchmarkInput): StageContext {
  const { workflowId } = workflowInfo();
  return { runId: workflowId, startedBy, notify: [workflowId] };
}

/** Figures over all shards so far. */
class Sum {
  readonly verdicts: ArtifactRef[] = [];
  readonly sections: SectionTally = {};
  judged = 0;
  concurrency: number | undefined;
  private readonly curve: number[];
  private identity: Record<string, unknown> = {};
  private counts = { asked: 0, found: 0, errors: 0, inputTokens: 0, outputTokens: 0, seconds: 0 };

  constructor(
    votes: number,
    readonly total: number,
  ) {
    this.curve = new Array<number>(votes).fill(0);
  }

  add(shard: JudgeItemsResult): void {
    if (shard.judged > 0) this.verdicts.push(shard.verdicts);
    this.judged += shard.judged;
    this.concurrency = shard.concurrency;
    this.identity = shard.identity;
    shard.curve.forEach((value, index) => (this.curve[index]! += value));
    for (const name of Object.keys(this.counts) as (keyof typeof this.counts)[])
      this.counts[name] += shard[name];
    for (const [name, { count, right }] of Object.entries(shard.sections)) {
      const section = (this.sections[name] ??= { count: 0, right: 0 });
      section.count += count;
      section.right += right;
    }
  }

  get before() {
    return { judged: this.judged, right: this.right, total: this.total };
  }

  get totals() {
    return { ...this.counts, curve: this.curve, identity: this.identity };
  }

  get figures() {
    const accuracy = this.right / Math.max(1, this.judged);
    const { low, high } = wilson(this.right, this.judged);
    return { step: this.judged, total: this.total, accuracy, low, high };
  }

  /** Half of the width of the interval of the accuracy, which takes judgements for independent. */
  get halfWidth(): number {
    const { low, high } = wilson(this.right, this.judged);
    return (high - low) / 2;
  }

  private get right(): number {
    return Object.values(this.sections).reduce((sum, { right }) => sum + right, 0);
  }
}

/** Outputs and scores under the name of their budget. */
function joined(outcomes: readonly [number, StageOutcome][]): StageOutcome {
  const [, last] = outcomes.at(-1)!;
  const add = (of: (outcome: StageOutcome) => number) =>
    outcomes.reduce((sum, [, outcome]) => sum + of(outcome), 0);
  return {
    ...last,
    reused: outcomes.every(([, { reused }]) => reused),
    outputs: Object.fromEntries(
      outcomes.flatMap(([budget, { outputs }]) =>
        Object.entries(outputs).map(([name, ref]) => [`${name}-${budget}`, ref]),
      ),
    ),
    metrics: Object.fromEntries(
      outcomes.flatMap(([budget, { metrics }]) =>
        Object.entries(metrics).map(([name, value]) => [`${name}.${budget}`, value]),
      ),
    ),
    cost: {
      usd: add(({ cost }) => cost.usd),
      inputTokens: add(({ cost }) => cost.inputTokens),
      outputTokens: add(({ cost }) => cost.outputTokens),
      seconds: add(({ cost }) => cost.seconds),
    },
  };
}

/** Stopped before anything was judged. */
function nothing(): StageOutcome {
  return {
    stage: 'evaluate',
    key: '',
    reused: false,
    outputs: {},
    parents: {},
    metrics: {},
    cost: { usd: 0, inputTokens: 0, outputTokens: 0, seconds: 0 },
  };
}
