import { userInfo } from 'node:os';
import { prepareBenchmark } from '../../activities/evaluation/prepare-benchmark.js';
import type { BenchmarkName } from '../../benchmarks/index.js';
import type { BenchmarkInput } from '../../workflows/benchmark-input.js';
import { isEngineJudge } from '../../workflows/judge-settings.js';
import { follow } from '../follow.js';
import { listenForInterrupt } from '../interrupt.js';
import { chooseJudge, type JudgeChoiceOptions } from '../judge/judge-choice.js';
import type { SharedOptions } from '../options.js';
import { print, remark } from '../output.js';
import type { RunHandle } from '../run-handle.js';
import { withStore } from '../store.js';
import { showResult } from './show-result.js';
import { withClient } from './with-run.js';

export interface EvaluateOptions extends SharedOptions, JudgeChoiceOptions {
  benchmark: BenchmarkName;
  data: string[];
  orders: 'one' | 'both';
  orderSeed?: number;
  votes?: number;
  budget?: number[];
  stopAt?: number;
  id?: string;
  detach?: boolean;
}

export async function run(options: EvaluateOptions): Promise<number | void> {
  const input = await inputOf(options);
  return withClient(async (client) => {
    const handle = await client.evaluate(input, options.id ? { workflowId: options.id } : {});
    if (options.detach) {
      const { workflowId, uiUrl } = handle;
      return print(options.json, { workflowId, uiUrl }, () =>
        [`Started ${workflowId}.`, uiUrl, `Follow it with: rmr1 watch ${workflowId}`]
          .filter(Boolean)
          .join('\n'),
      );
    }
    remark(`Started ${handle.workflowId}${handle.uiUrl ? `\n${handle.uiUrl}` : ''}`);
    return watchToEnd(handle, options.json === true);
  });
}

/** Items and model are checked and stored first, so that workers need not share a disk. */
async function inputOf(options: EvaluateOptions): Promise<BenchmarkInput> {
  const { benchmark, data, orders, orderSeed, votes, budget, stopAt } = options;
  const { settings, sampling, local } = await chooseJudge(options);
  return withStore(async (store) => {
    const items = await prepareBenchmark(store, { benchmark, data });
    remark(`${items.count.toLocaleString('en')} items of ${items.source}`);
    const judge =
      isEngineJudge(settings) && local
        ? { ...settings, model: await store.putDirectory('model', local.dir) }
        : settings;
    return {
      benchmark,
      data: items,
      judge,
      sampling,
      orders: { mode: orders, ...(orderSeed === undefined ? {} : { seed: orderSeed }) },
      ...(votes === undefined ? {} : { votes }),
      ...(budget ? { budgets: budget } : {}),
      ...(stopAt === undefined ? {} : { stopAt }),
      startedBy: userInfo().username,
    };
  });
}

/** Ctrl-C leaves the evaluation alone: it belongs to the workers. */
async function watchToEnd(handle: RunHandle, json: boolean): Promise<number | void> {
  const interrupt = listenForInterrupt(() => process.exit(interrupt.exitCode()));
  const { workflowId } = handle;
  try {
    const followed = await follow(handle, { json, signal: interrupt.signal });
    if (followed.end === 'completed') return await showResult(followed.result, json, workflowId);
    remark(
      `${workflowId} goes on; \`rmr1 watch\` shows it, \`rmr1 stop ${workflowId}\` scores what is there.`,
    );
    return interrupt.exitCode();
  } finally {
    interrupt.dispose();
  }
}
