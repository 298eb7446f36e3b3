/** One shard of one distillation pass: bounded concurrency, cached answers, a hard budget. */
import { Context, cancelled } from '@temporalio/activity';
import { setMaxListeners } from 'node:events';
import type { Message, PresentedPair, Position } from '../../judge/pair.js';
import { buildPrompt } from '../../judge/prompt/build.js';
import { hintMessages } from '../../judge/prompt/hint.js';
import { oracleAgrees } from '../../judge/reward.js';
import { crashPoint } from '../../engine/crash-point.js';
import { UserError } from '../../workflows/errors.js';
import type { StageFigures } from '../../workflows/messages.js';
import { mapLimit } from '../artifacts/map-limit.js';
import type { ArtifactStore } from '../artifacts/store.js';
import { readPairLines } from '../dataset/pair-lines.js';
import type { OracleShardInput, OracleShardResult } from '../interface.js';
import { answerKey, cachedAnswer, keepAnswer, type OracleQuestion } from './answer-cache.js';
import type { OracleBackend, ProviderAnswer } from './backends/backend.js';
import { openBackend } from './backends/open-backend.js';
import { Budget, priceOf } from './budget.js';

/** One line of a shard's answers. */
export interface OracleJudgement {
  pairId: string;
  category: string;
  gold: Position;
  pass: 1 | 2;
  model: string;
  text: string;
  agreed: boolean;
  finishReason: string;
  inputTokens: number;
  outputTokens: number;
  usd: number;
  /** Taken from the store rather than asked now. */
  cached: boolean;
  /** Paid by this run, now or in an earlier attempt. */
  ours: boolean;
  fingerprint?: string;
}

interface Task {
  shown: PresentedPair;
  messages: Message[];
}

/**
 * Judge the pairs `from`…`to` with the oracle. A question that was ever answered is not asked again.
 * @throws UserError `OracleUnreachable` (retried), `OracleCredentials`, `OracleRejected`.
 */
export async function judgeWithOracle(
  store: ArtifactStore,
  input: OracleShardInput,
): Promise<OracleShardResult> {
  const { oracle, pass } = input;
  const backend = openBackend(oracle);
  const model = pass === 1 ? oracle.model : (oracle.correctionModel ?? oracle.model);
  const budget = new Budget(input.budgetUsd);
  const tasks = await shardTasks(store, input);
  // Every call in flight listens for cancellation.
  setMaxListeners(oracle.concurrency + 10, Context.current().cancellationSignal);
  const began = Date.now();
  let done = 0;
  let agreed = 0;
  let budgetReached = false;

  const beat = () => {
    const step = input.from + done;
    const figures: StageFigures = {
      step,
      total: input.total,
      ...(pass === 1 && done > 0 ? { accuracy: agreed / done } : {}),
      etaSeconds: done === 0 ? undefined : ((Date.now() - began) / 1000 / done) * (tasks.length - done),
    };
    Context.current().heartbeat({ stage: 'distill', figures });
  };
  const timer = setInterval(beat, 2000);
  try {
    const judgements = await mapLimit(tasks, oracle.concurrency, async (task) => {
      if (budgetReached) return undefined;
      const judgement = await judgeOne(store, backend, input, model, budget, task);
      if (!judgement) budgetReached = true;
      done += 1;
      if (judgement?.agreed) agreed += 1;
      return judgement;
    });
    const kept = judgements.filter((judgement) => judgement !== undefined);
    const asked = kept.filter(({ cached }) => !cached).length;
    const paid = kept.filter(({ ours }) => ours);
    return {
      answers: await store.putLines('outputs', kept),
      asked,
      cached: kept.length - asked,
      agreed: kept.filter((judgement) => judgement.agreed).length,
      wrong: kept.filter((judgement) => !judgement.agreed).length,
      cost: {
        usd: budget.spentUsd,
        inputTokens: paid.reduce((sum, { inputTokens }) => sum + inputTokens, 0),
        outputTokens: paid.reduce((sum, { outputTokens }) => sum + outputTokens, 0),
      },
      budgetReached,
    };
  } finally {
    clearInterval(timer);
  }
}

/** Pass 1 asks about every pair; pass 2 about those that came out wrong, with the gold verdict and the flawed text. */
async function shardTasks(store: ArtifactStore, input: OracleShardInput): Promise<Task[]> {
  const shown = await readPairLines(store, input.pairs, input.from, input.to);
  if (input.pass === 1) {
    return shown.map((pair) => ({ shown: pair, messages: buildPrompt(input.promptVersion, pair) }));
  }
  if (!input.firstPass) throw new UserError('InvalidInput', 'Pass 2 needs the answers of pass 1.');
  const flawed = new Map<string, string>();
  for await (const line of store.openLines(input.firstPass)) {
    const { pairId, agreed, text } = line as OracleJudgement;
    if (!agreed) flawed.set(pairId, text);
  }
  return shown.flatMap((pair) => {
    const text = flawed.get(pair.pair.id);
    return text === undefined
      ? []
      : [{ shown: pair, messages: hintMessages(input.promptVersion, pair, text) }];
  });
}

/** Ask one question, or take its stored answer; undefined where the budget does not allow to ask. */
async function judgeOne(
  store: ArtifactStore,
  backend: OracleBackend,
  input: OracleShardInput,
  model: string,
  budget: Budget,
  { shown, messages }: Task,
): Promise<OracleJudgement | undefined> {
  const { oracle, pass } = input;
  const question = {
    model,
    messages,
    temperature: oracle.temperature,
    maxTokens: oracle.maxTokens,
    sample: 0,
  };
  const key = answerKey(question);
  let answer = await cachedAnswer(store, key);
  const cached = answer !== undefined;
  const { runId } = input.context;
  if (answer) {
    if (answer.paidBy === runId) budget.charge(answer.usd);
  } else {
    // A token is about four characters; a generous third of them keeps the reservation above the bill.
    const inputTokens = Math.ceil(messages.reduce((sum, { content }) => sum + content.length, 0) / 3);
    const reservation = priceOf(oracle, model, { inputTokens, outputTokens: oracle.maxTokens });
    if (!budget.reserve(reservation)) return undefined;
    let usd = 0;
    try {
      const fresh = await ask(backend, question, shown.pair.id);
      usd = priceOf(oracle, model, fresh);
      answer = await keepAnswer(store, key, { ...fresh, usd, paidBy: runId });
    } finally {
      budget.settle(reservation, usd);
    }
  }
  return {
    pairId: shown.pair.id,
    category: shown.pair.category,
    gold: shown.gold,
    pass,
    model,
    text: answer.text,
    agreed: oracleAgrees(answer.text, shown.gold),
    finishReason: answer.finishReason,
    inputTokens: answer.inputTokens,
    outputTokens: answer.outputTokens,
    usd: answer.usd,
    cached,
    ours: answer.paidBy === runId,
    ...(answer.fingerprint ? { fingerprint: answer.fingerprint } : {}),
  };
}

/** Ask now; the error of a refused question names its pair. */
async function ask(
  backend: OracleBackend,
  question: OracleQuestion,
  pairId: string,
): Promise<ProviderAnswer> {
  const signal = Context.current().cancellationSignal;
  await crashPoint('oracle.submit');
  try {
    return await backend.ask(question, signal);
  } catch (error) {
    if (signal.aborted) await cancelled();
    if (error instanceof UserError && error.type === 'OracleRejected') error.message += ` (pair ${pairId})`;
    throw error;
  }
}
