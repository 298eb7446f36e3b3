/** Judge a shard of benchmark items: every question through the judgement store, as fast as the judge likes. */
import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { setMaxListeners } from 'node:events';
import type { BenchmarkItem, VerdictRecord } from '../../benchmarks/index.js';
import { outcomeOf, outcomeRules, wilson } from '../../benchmarks/index.js';
import { mapLimit } from '../artifacts/map-limit.js';
import type { ArtifactStore } from '../artifacts/store.js';
import type { JudgeItemsInput, JudgeItemsResult } from '../interface.js';
import type { JudgeSettings } from '../../workflows/judge-settings.js';
import type { ServerWish } from '../ray/judge-server.js';
import { serverFor } from '../ray/open-server.js';
import { FiguresReporter } from '../training/figures.js';
import { askAbout, type AskedItem, type Presentation } from './ask-about.js';
import { Tolerance } from './judges/tolerance.js';
import { openStoredJudge } from './judges/open-judge.js';
import { localModelOf } from './judges/local-model.js';
import { presentationsOf } from './presentations.js';
import { sectionOfItem } from './benchmark-sections.js';

/** Beside the questions in flight: those that wait for their turn, or for the store. */
const AHEAD = 32;

/**
 * Judge items `from` to `to`. Stopped, it returns what it has; started again, it asks only what was never answered.
 * @throws UserError `JudgeUnreachable` (retried), `JudgeCredentials`, `JudgeRejected`, `TrainerLost`, `TrainerRefused`.
 */
export async function judgeItems(
  store: ArtifactStore,
  client: Client,
  input: JudgeItemsInput,
): Promise<JudgeItemsResult> {
  const signal = Context.current().cancellationSignal;
  setMaxListeners(0, signal);
  const reporter = new FiguresReporter('evaluate', client, input.context.notify);
  const began = Date.now();
  const server = input.judge.kind === 'vllm' ? serverFor(store, wishOf(input, input.judge)) : undefined;
  try {
    const presentations = presentationsOf(await readItems(store, input), input.orders);
    const opened = await openStoredJudge(store, input.judge, input.sampling, {
      ...(await localModelOf(store, input.judge)),
      ...(server ? { server } : {}),
      ...(input.concurrency ? { initialConcurrency: input.concurrency } : {}),
    });
    const { judge, patience } = opened;
    const tally = new Tally(input, presentations.length);
    const tolerance = new Tolerance();
    try {
      const asked = await mapLimit(presentations, judge.concurrency.most + AHEAD, async (presentation) => {
        // Questions in flight are finished: they are paid for.
        if (signal.aborted) return undefined;
        try {
          const item = await askAbout(judge, presentation, input, tolerance, signal);
          tally.add(item);
          reporter.show(tally.figures());
          return item;
        } catch (error) {
          if (signal.aborted) return undefined;
          throw error;
        }
      });
      const done = asked.filter((item) => item !== undefined);
      const counts = opened.counts();
      return {
        status: done.length < presentations.length ? 'stopped' : 'done',
        verdicts: await store.putLines(
          'verdicts',
          done.map(({ record }) => record),
        ),
        judged: done.length,
        sections: tally.sections,
        curve: tally.curve,
        errors: tally.errors,
        ...counts,
        inputTokens: sum(done, ({ record }) => record.inputTokens ?? 0),
        outputTokens: sum(done, ({ record }) => record.outputTokens ?? 0),
        seconds: (Date.now() - began) / 1000,
        throttled: patience.reduce((total, { throttled }) => total + throttled, 0),
        concurrency: Math.max(1, ...patience.map(({ limit }) => limit.limit)),
        identity: judge.identity,
      };
    } finally {
      await judge.close();
    }
  } finally {
    await server?.close();
    reporter.stop();
  }
}

function wishOf(
  { context: { runId } }: JudgeItemsInput,
  { model, gpus, precision, maxModelLen }: Extract<JudgeSettings, { kind: 'vllm' }>,
): ServerWish {
  return {
    ...{ runId, stage: 'evaluate', model, gpus, precision, cpus: 1, workflowId: runId },
    ...(maxModelLen === undefined ? {} : { maxModelLen }),
  };
}

async function readItems(
  store: ArtifactStore,
  { items, from, to }: JudgeItemsInput,
): Promise<BenchmarkItem[]> {
  const read: BenchmarkItem[] = [];
  let index = 0;
  for await (const line of store.openLines(items)) {
    if (index >= to) break;
    if (index++ >= from) read.push(line as BenchmarkItem);
  }
  return read;
}

/** Interim figures of a shard, on top of those of the shards before it. */
class Tally {
  readonly sections: JudgeItemsResult['sections'] = {};
  readonly curve: number[];
  errors = 0;
  private count = 0;
  private right = 0;
  private readonly began = Date.now();

  constructor(
    private readonly input: JudgeItemsInput,
    private readonly total: number,
  ) {
    this.curve = new Array<number>(input.votes).fill(0);
  }

  add({ record, curve }: AskedItem): void {
    const outcome = outcomeOf(record, outcomeRules([]));
    const section = (this.sections[sectionOfItem(record)] ??= { count: 0, right: 0 });
    section.count += 1;
    section.right += outcome;
    curve.forEach((value, index) => (this.curve[index]! += value));
    if (isFailed(record)) this.errors += 1;
    this.count += 1;
    this.right += outcome;
  }

  figures() {
    const { before } = this.input;
    const count = before.judged + this.count;
    const right = before.right + this.right;
    const { low, high } = wilson(right, count);
    const left = this.total - this.count;
    const rate = this.count / Math.max(0.001, (Date.now() - this.began) / 1000);
    return {
      step: count,
      total: before.total,
      accuracy: right / count,
      low,
      high,
      etaSeconds: (left + before.total - before.judged - this.total) / rate,
    };
  }
}

const isFailed = ({ verdict }: VerdictRecord): boolean => verdict === 'none' || verdict === 'both';

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

export type { Presentation };
