/** One shard of one distillation pass: bounded concurrency, stored answers, an allowance that is never exceeded. */
import { activityInfo, cancellationDetails, cancelled, Context } from '@temporalio/activity';
import { crashPoint } from '../../engine/crash-point.js';
import { UserError } from '../../workflows/errors.js';
import type { LedgerEntry } from '../../workflows/ledger.js';
import type { StageFigures } from '../../workflows/messages.js';
import { mapLimit } from '../artifacts/map-limit.js';
import type { ArtifactStore } from '../artifacts/store.js';
import type { OracleShardInput, OracleShardResult } from '../interface.js';
import { countSpend } from '../metrics.js';
import { answerCache, type AnswerCache, type OracleAnswer } from './answer-cache.js';
import type { OracleBackend, ProviderAnswer } from './backends/backend.js';
import { openBackend } from './backends/open-backend.js';
import { Allowance, priceOf, worstPrice } from './budget.js';
import { LANES_PER_CALL, withCallSlots, type CallSlots } from './call-slots.js';
import { Journal } from './journal.js';
import { Cancelling } from './cancelling.js';
import { boundedAnswer, isCorrectable, judgementOf, type OracleJudgement } from './judgement.js';
import { isUnbilled, refusalOf } from './refusals.js';
import type { Writer } from './segment.js';
import { modelOfPass, shardTasks, type Task } from './shard-tasks.js';
import { emptyEntry, spentByActivity } from './tally.js';

export type { OracleJudgement } from './judgement.js';

/** A cancelled shard sends nothing more, and waits so long for the answers that are paid for already. */
const DRAIN_MS = 10_000;

/** What a shard is made of; simulations replace it. */
export interface ShardParts {
  backend?: OracleBackend;
  /** Least time between two segments of the log. */
  commitEveryMs?: number;
  /** Those of the process; by default all shards of a run in this process share theirs. */
  slots?: CallSlots;
}

/**
 * Judge the pairs `from`…`to` with the oracle. A question that was ever answered is not asked again.
 * @throws UserError `OracleUnreachable` (retried), `OracleCredentials`, `OracleRejected`.
 */
export async function judgeWithOracle(
  store: ArtifactStore,
  input: OracleShardInput,
  parts: ShardParts = {},
): Promise<OracleShardResult> {
  const { oracle } = input;
  const shard = new Shard(input, answerCache(store), writerOf(input), parts);
  const timer = setInterval(() => shard.beat(), 2000);
  try {
    const tasks = await shardTasks(store, input);
    await shard.open(tasks);
    const judgeAll = (slots: CallSlots) =>
      mapLimit(tasks, LANES_PER_CALL * oracle.concurrency, (task) =>
        shard.judge(slots, task).catch((error: unknown) => {
          if (!isHandedBack(input)) throw error;
          return undefined;
        }),
      );
    const judgements = parts.slots
      ? await judgeAll(parts.slots)
      : await withCallSlots(input.context.runId, oracle.concurrency, judgeAll);
    const handedBack = isHandedBack(input);
    if (Context.current().cancellationSignal.aborted && !handedBack) await cancelled();
    const kept = judgements.filter((judgement) => judgement !== undefined);
    const asked = kept.filter(({ cached }) => !cached).length;
    const agreed = kept.filter((judgement) => judgement.agreed).length;
    return {
      answers: await store.putLines('outputs', kept),
      asked,
      cached: kept.length - asked,
      agreed,
      wrong: kept.length - agreed,
      correctable: kept.filter(isCorrectable).length,
      ...(handedBack ? await shard.handBack() : shard.account()),
    };
  } finally {
    clearInterval(timer);
  }
}

/** Whether this worker was told to stop, and the workflow goes on with another one as if this shard had been two. */
function isHandedBack({ handBack }: OracleShardInput): boolean {
  return handBack === true && cancellationDetails()?.workerShutdown === true;
}

/** Names this activity in the log: the same over its attempts, another one for each that a workflow schedules. */
function writerOf(input: OracleShardInput): Writer {
  const { activityId, attempt, workflowExecution } = activityInfo();
  return {
    run: input.context.runId,
    activity: `${workflowExecution?.runId ?? ''}/${activityId}`,
    attempt,
    stage: 'distill',
    model: modelOfPass(input.oracle, input.pass),
    pass: input.pass,
  };
}

class Shard {
  private readonly backend: OracleBackend;
  private readonly journal: Journal;
  private readonly allowance: Allowance;
  private readonly spent: LedgerEntry;
  private readonly signal = Context.current().cancellationSignal;
  private readonly calls = new Cancelling(this.signal, DRAIN_MS);
  private readonly began = Date.now();
  private earlier: LedgerEntry[] = [];
  private stored = new Map<string, OracleAnswer>();
  private questions = 0;
  private done = 0;
  private agreed = 0;
  private shortUsd: number | undefined;

  constructor(
    private readonly input: OracleShardInput,
    private readonly cache: AnswerCache,
    private readonly writer: Writer,
    { backend, commitEveryMs }: ShardParts,
  ) {
    this.backend = backend ?? openBackend(input.oracle);
    this.journal = new Journal(cache, writer, commitEveryMs);
    this.allowance = new Allowance(input.budgetUsd);
    this.spent = emptyEntry(writer);
  }

  /** Look up what is answered already, and what earlier attempts of this activity spent of its allowance. */
  async open(tasks: readonly Task[]): Promise<void> {
    const again = this.writer.attempt > 1;
    if (again) await this.cache.sealEarlier(this.writer);
    await this.cache.refresh({ now: again || this.input.begunBefore === true });
    if (again) this.earlier = await spentByActivity(this.cache, this.writer);
    for (const { usd, unanswered } of this.earlier) this.allowance.charge(usd + unanswered.usd);
    this.stored = await this.cache.getMany(tasks.map(({ key }) => key));
    this.questions = tasks.length;
  }

  /** Ask one question, or take its stored answer; undefined where the allowance does not suffice to ask. */
  async judge(slots: CallSlots, task: Task): Promise<OracleJudgement | undefined> {
    const { pass } = this.input;
    const found = this.stored.get(task.key);
    const { answer, cached } = found ? { answer: found, cached: true } : await this.fresh(slots, task);
    if (!answer) return undefined;
    const judgement = judgementOf(task.shown, { pass, model: task.question.model, cached }, answer);
    this.done += 1;
    if (judgement.agreed) this.agreed += 1;
    return judgement;
  }

  beat(): void {
    const { done, questions, agreed, input } = this;
    const figures: StageFigures = {
      step: (input.offset ?? input.from) + done,
      total: input.total,
      ...(input.pass === 1 && done > 0 ? { accuracy: agreed / done } : {}),
      etaSeconds: done === 0 ? undefined : ((Date.now() - this.began) / 1000 / done) * (questions - done),
    };
    Context.current().heartbeat({ stage: 'distill', figures });
  }

  account(): Pick<OracleShardResult, 'cost' | 'spent' | 'budgetReached' | 'needUsd'> {
    return {
      ...sumOf([...this.earlier, this.spent]),
      budgetReached: this.shortUsd !== undefined,
      ...(this.shortUsd === undefined ? {} : { needUsd: this.shortUsd }),
    };
  }

  /** The account of a shard that ends before its time: calls that were cut off count too, as the log has them. */
  async handBack(): Promise<Pick<OracleShardResult, 'cost' | 'spent' | 'budgetReached' | 'handedBack'>> {
    await this.cache.refresh({ now: true });
    const spent = await spentByActivity(this.cache, this.writer);
    return { ...sumOf(spent), budgetReached: false, handedBack: true };
  }

  private async fresh(
    slots: CallSlots,
    task: Task,
  ): Promise<{ answer: OracleAnswer | undefined; cached: boolean }> {
    // The same question may have been answered since this shard began.
    const late = this.cache.has(task.key) && (await this.cache.getMany([task.key])).get(task.key);
    if (late) return { answer: late, cached: true };
    if (this.input.onlyStored) return { answer: undefined, cached: false };
    const { answer, shared } = await this.cache.once(task.key, () => this.ask(slots, task));
    return { answer, cached: shared };
  }

  /** Reserve, put on record, ask, store, settle; in this order. */
  private async ask(slots: CallSlots, task: Task): Promise<OracleAnswer | undefined> {
    if (this.shortUsd !== undefined || this.signal.aborted) return undefined;
    const { key, question } = task;
    const worst = worstPrice(this.input.oracle, question);
    if (!(await this.allowance.reserve(worst))) {
      this.shortUsd = Math.min(worst, this.shortUsd ?? Infinity);
      return undefined;
    }
    let answer: OracleAnswer | undefined;
    try {
      await slots.use(
        () => (this.signal.aborted ? Promise.resolve() : this.journal.asked(key, worst)),
        () => this.send(task),
        async (said) => {
          if (!said) return;
          const usd = priceOf(this.input.oracle, question.model, said);
          const kept = { ...boundedAnswer(said), usd, paidBy: this.writer.run };
          // Another server may have more room: that a prompt did not fit here is no answer for good.
          if (said.finishReason === 'context_length') await this.journal.released(key);
          else await this.journal.answered(key, kept);
          answer = kept;
        },
      );
      if (answer) this.book(answer);
      return answer;
    } finally {
      this.allowance.settle(worst, answer?.usd ?? 0);
    }
  }

  /** Undefined where the shard was cancelled before the question was sent. */
  private async send({ key, question, shown }: Task): Promise<ProviderAnswer | undefined> {
    if (this.signal.aborted) {
      await this.journal.released(key);
      return undefined;
    }
    await crashPoint('oracle.submit');
    try {
      return await this.calls.run((signal) => this.backend.ask(question, signal));
    } catch (error) {
      const refusal = refusalOf(error);
      if (refusal) return refusal;
      // Otherwise it stays open in the log: the provider may bill it.
      if (isUnbilled(error)) await this.journal.released(key);
      if (this.calls.over) await cancelled();
      if (error instanceof UserError && error.type === 'OracleRejected') {
        error.message += ` (pair ${shown.pair.id})`;
      }
      throw error;
    }
  }

  private book({ finishReason, inputTokens, outputTokens, usd }: OracleAnswer): void {
    if (finishReason === 'context_length') return;
    this.spent.calls += 1;
    this.spent.inputTokens += inputTokens;
    this.spent.outputTokens += outputTokens;
    this.spent.usd += usd;
    countSpend(this.writer.model, usd);
  }
}

function sumOf(spent: LedgerEntry[]): Pick<OracleShardResult, 'cost' | 'spent'> {
  const sum = (of: (entry: LedgerEntry) => number) => spent.reduce((total, entry) => total + of(entry), 0);
  const cost = {
    usd: sum(({ usd }) => usd),
    inputTokens: sum(({ inputTokens }) => inputTokens),
    outputTokens: sum(({ outputTokens }) => outputTokens),
  };
  return { cost, spent };
}
