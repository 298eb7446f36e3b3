/** The shards of a distillation, a few at a time, within one ledger. */
import { ApplicationFailure, condition } from '@temporalio/workflow';
import type { ArtifactRef } from '../activities/artifacts/ref.js';
import type {
  DistillationPlan,
  JudgedShard,
  OracleShardInput,
  OracleShardResult,
} from '../activities/interface.js';
import { isSelfTaught } from '../recipes/self-taught.js';
import { oracle, training } from './activities.js';
import type { Ledger } from './ledger.js';
import type { RunControl } from './run-control.js';
import { isServed, withJudgeServer } from './with-judge-server.js';

/** While one shard waits for its last answers the others keep the oracle busy. */
const SHARDS_AT_ONCE = 3;
/** A shard that ran out of its allowance comes back for more once there is enough for so many questions. */
const WORTH_COMING_BACK = 10;

type Shard = Pick<OracleShardInput, 'pass' | 'firstPass' | 'from' | 'to' | 'pairs' | 'offset'> & {
  /** Of a cascade's earlier step. */
  model?: string;
};

/**
 * Ask about every shard: pass 1, then pass 2 about what came out wrong.
 * @param options `onlyStored`: ask nothing, take the answers that are stored. `student`: a model that judges first.
 * @throws ApplicationFailure `BudgetExhausted` once nothing is under way and the next question does not fit the cap.
 */
export async function judgeShards(
  run: RunControl,
  ledger: Ledger,
  { shards, total }: DistillationPlan,
  { onlyStored = run.spending.onlyStored, student }: { onlyStored?: boolean; student?: ArtifactRef } = {},
): Promise<JudgedShard[]> {
  const lanes = Math.min(SHARDS_AT_ONCE, shards.length);
  const work = new ShardWork(run, ledger, total, lanes, onlyStored, student);
  if (student && isServed(run.recipe)) {
    const owner = { runId: run.context.runId, stage: 'distill', model: student } as const;
    await withJudgeServer(owner, () => work.sampleAll(student, shards));
  }
  const judged: JudgedShard[] = [];
  let next = 0;
  let offset = 0;
  const lane = async () => {
    while (next < shards.length && !work.stopped) {
      const index = next++;
      const { pairs, count } = shards[index]!;
      const shard = { pairs, from: 0, to: count, offset };
      offset += count;
      judged[index] = await work.judge(shard);
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: lanes }, () => work.guarded(lane)));
  await run.spending.publish(true);
  throwFirst(ends);
  return judged;
}

function throwFirst(ends: readonly PromiseSettledResult<void>[]): void {
  const failure = ends.find((end) => end.status === 'rejected');
  if (failure) throw failure.reason;
}

/** What one model made of a shard in pass 1. */
type Step = Pick<OracleShardResult, 'answers' | 'agreed' | 'wrong' | 'correctable'>;

class ShardWork {
  /** After a failure no further shard begins, and those under way come to their end. */
  stopped = false;
  /** Something was asked before this began: after a pause, a correction or a loss any shard may hold answers already. */
  private readonly resumed: boolean;
  /** What the student made of shards at a server, by the hash of their pairs. */
  private readonly sampled = new Map<string, Step>();
  private leases = 0;
  private done = 0;
  private judged = 0;
  private agreed = 0;

  constructor(
    private readonly run: RunControl,
    private readonly ledger: Ledger,
    private readonly total: number,
    readonly lanes: number,
    private readonly onlyStored: boolean,
    private readonly student: ArtifactRef | undefined,
  ) {
    this.resumed = ledger.report().calls > 0;
  }

  async guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.stopped = true;
      throw error;
    }
  }

  /** At a server, every shard is sampled before any oracle is asked: no GPU waits for an oracle. */
  async sampleAll(model: ArtifactRef, shards: DistillationPlan['shards']): Promise<void> {
    const left = [...shards];
    const lane = async () => {
      for (let shard = left.shift(); shard && !this.stopped; shard = left.shift())
        this.sampled.set(shard.pairs.sha256, await this.sample(model, shard.pairs, { served: true }));
    };
    throwFirst(await Promise.allSettled(Array.from({ length: this.lanes }, () => this.guarded(lane))));
  }

  async judge(shard: Omit<Shard, 'pass'>): Promise<JudgedShard> {
    const firstPass = await this.firstPass(shard);
    const last = firstPass.at(-1)!;
    this.judged += firstPass[0]!.agreed + firstPass[0]!.wrong;
    this.agreed += firstPass.reduce((sum, { agreed }) => sum + agreed, 0);
    const second =
      this.run.recipe.distill.secondPass && !isSelfTaught(this.run.recipe) && last.correctable > 0
        ? await this.ask({ ...shard, pass: 2, firstPass: last.answers })
        : undefined;
    this.done += shard.to;
    this.run.report('distill', {
      step: this.done,
      total: this.total,
      ...(this.judged > 0 ? { accuracy: this.agreed / this.judged } : {}),
    });
    await this.run.spending.publish();
    return {
      pairs: shard.pairs,
      firstPass: firstPass.map(({ answers }) => answers),
      secondPass: second ? [second.answers] : [],
    };
  }

  /** Pass 1, by the student and model after model of a cascade: each gets only what the ones before it got wrong. */
  private async firstPass(shard: Omit<Shard, 'pass'>): Promise<Step[]> {
    const { cascade = [], model: best } = this.run.recipe.oracle;
    const { pairs } = shard;
    const results = this.student
      ? [this.sampled.get(pairs.sha256) ?? (await this.sample(this.student, pairs))]
      : [];
    for (const model of isSelfTaught(this.run.recipe) ? [] : [...cascade, best]) {
      const before = results.at(-1);
      if (before?.wrong === 0) break;
      const step = before ? { firstPass: before.answers } : {};
      results.push(await this.ask({ ...shard, pass: 1, model, ...step }));
    }
    return results;
  }

  /** The student's judgements, however often the engine is preempted. */
  private async sample(model: ArtifactRef, pairs: ArtifactRef, how: { served?: true } = {}): Promise<Step> {
    const { run } = this;
    const { context, recipe, seed } = run;
    for (;;) {
      const result = await training(run.heartbeatSeconds).sampleStudent({
        context,
        recipe,
        seed,
        model,
        pairs,
        ...how,
      });
      if (result.status === 'done') return result;
      await run.yieldIfInterrupted();
    }
  }

  /** One pass over one shard, in as many turns as its allowances last. */
  private async ask(shard: Shard): Promise<OracleShardResult> {
    const { onlyStored } = this;
    for (let need = 0, begunBefore = this.resumed; ; begunBefore = true) {
      await condition(() => this.stopped || this.ledger.outstanding === 0 || this.isWorthwhile(need));
      const available = this.ledger.availableUsd;
      if (available < need) throw exhausted(this.ledger, need);
      const share = available / Math.max(1, this.lanes - this.ledger.outstanding);
      const allowance = Math.min(available, Math.max(need, share));
      const result = await this.leased(shard, allowance, { onlyStored, begunBefore });
      if (result.handedBack) continue;
      if (!result.budgetReached || onlyStored) return result;
      need = result.needUsd ?? 0;
      // An allowance that bought nothing, though the question fits it, will not do so the next time either.
      if (this.stopped || (result.asked === 0 && need <= allowance)) throw exhausted(this.ledger, need);
    }
  }

  private isWorthwhile(need: number): boolean {
    const { availableUsd } = this.ledger;
    return need > 0 ? availableUsd >= WORTH_COMING_BACK * need : availableUsd > 0;
  }

  private async leased(
    { model, ...shard }: Shard,
    allowance: number,
    { onlyStored, begunBefore }: { onlyStored: boolean; begunBefore: boolean },
  ): Promise<OracleShardResult> {
    const { run, ledger } = this;
    const { oracle: asked } = run.recipe;
    const capped = Number.isFinite(allowance);
    const lease = `${++this.leases}`;
    ledger.reserve(lease, capped ? allowance : 0);
    let spent: OracleShardResult['spent'] = [];
    try {
      const result = await oracle(run.heartbeatSeconds).judgeWithOracle({
        ...shard,
        context: run.context,
        seed: run.seed,
        total: this.total,
        oracle: model === undefined ? asked : { ...asked, model },
        promptVersion: run.recipe.distill.promptVersion,
        handBack: true,
        ...(capped ? { budgetUsd: allowance } : {}),
        ...(onlyStored ? { onlyStored } : {}),
        ...(begunBefore ? { begunBefore } : {}),
      });
      ({ spent } = result);
      return result;
    } finally {
      // After a failure the log knows what was paid: the ledger is opened anew from it before anything is asked again.
      ledger.settle(lease, spent);
    }
  }
}

export function exhausted(ledger: Ledger, need: number): ApplicationFailure {
  const { capUsd = 0, spentUsd, unansweredUsd } = ledger.report();
  const lost =
    unansweredUsd > 0 ? `, and up to $${unansweredUsd.toFixed(4)} for calls whose answer was lost` : '';
  return ApplicationFailure.nonRetryable(
    `The budget of $${capUsd} is spent: $${spentUsd.toFixed(4)} paid${lost}; the next question may cost $${need.toFixed(4)}. ` +
      'Send `raiseBudget` with {"usd": N}, or `continueWithWhatIsThere`; what was answered is kept and not paid again.',
    'BudgetExhausted',
  );
}
