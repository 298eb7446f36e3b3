/** Judge a shard of pairs with a local model: greedy, each pair in both orders. */
import type { Client } from '@temporalio/client';
import { createHash } from 'node:crypto';
import type { Judgement } from '../../benchmarks/judgement.js';
import { type Position, present } from '../../judge/pair.js';
import { parseVerdict } from '../../judge/verdict.js';
import type { ArtifactStore } from '../artifacts/store.js';
import { readPairLines } from '../dataset/pair-lines.js';
import type { JudgeShardInput, JudgeShardResult } from '../interface.js';
import { FiguresReporter } from '../training/figures.js';
import { generate, type Generated } from '../training/generate.js';

const BOTH_ORDERS: Position[] = ['A', 'B'];

/** @throws UserError `TrainerLost` (retried from the start of the shard), `TrainerRefused`; StoreError. */
export async function judgeShard(
  store: ArtifactStore,
  client: Client,
  input: JudgeShardInput,
): Promise<JudgeShardResult> {
  const { recipe, context, model } = input;
  const reporter = new FiguresReporter('evaluate', client, context.notify);
  try {
    const pairs = await readPairLines(store, input.pairs, input.from, input.to);
    const shown = pairs.flatMap(({ pair }) => BOTH_ORDERS.map((gold) => present(pair, gold)));
    if (shown.length === 0) {
      const judgements = await store.putLines('verdicts', []);
      return { status: 'done', judgements, pairs: 0, tokens: 0, seconds: 0 };
    }
    const began = Date.now();
    const request = { purpose: 'evaluate', model, recipe, shown, temperature: 0, samples: 1, seed: 0 };
    const generated = await generate(store, request, reporter);
    if (!generated) return { status: 'preempted', step: reporter.step };
    const judgements = generated.map(toJudgement);
    return {
      status: 'done',
      judgements: await store.putLines('verdicts', judgements),
      pairs: pairs.length,
      tokens: judgements.reduce((sum, { tokens }) => sum + tokens, 0),
      seconds: (Date.now() - began) / 1000,
    };
  } finally {
    reporter.stop();
  }
}

function toJudgement({ item: { pair, gold }, prompt, outputs }: Generated): Judgement {
  const { text, tokens, finished } = outputs[0]!;
  return {
    pairId: pair.id,
    category: pair.category,
    gold,
    verdict: parseVerdict(text),
    ...(pair.styles ? { styles: pair.styles } : {}),
    ...(pair.group ? { group: pair.group } : {}),
    promptSha256: createHash('sha256').update(prompt).digest('hex'),
    text,
    tokens,
    finished,
  };
}
