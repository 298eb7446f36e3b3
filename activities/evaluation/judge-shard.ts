/** Judge a shard of pairs with a local model: greedy, each pair in both orders. */
import type { Client } from '@temporalio/client';
import { createHash } from 'node:crypto';
import type { Judgement } from '../../benchmarks/judgement.js';
import { type Position, present, type PresentedPair } from '../../judge/pair.js';
import { parseVerdict } from '../../judge/verdict.js';
import type { Recipe } from '../../recipes/schema.js';
import type { ArtifactStore } from '../artifacts/store.js';
import { readPairLines } from '../dataset/pair-lines.js';
import type { JudgeShardInput, JudgeShardResult } from '../interface.js';
import { FiguresReporter } from '../training/figures.js';
import { generate, type Generated } from '../training/generate.js';
import { askServed, wishOf } from './ask-served.js';
import type { Opinion } from './judges/judge.js';

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
    if (input.served) {
      const opinions = await askServed(
        store,
        { ...wishOf({ ...input, stage: 'evaluate' }), ...greedy(recipe), shown, samples: 1 },
        reporter,
      );
      if (!opinions) return { status: 'preempted', step: reporter.step };
      const judgements = shown.map((item, index) => fromOpinion(item, opinions[index]![0]!));
      return done(store, pairs.length, judgements, began);
    }
    const request = { purpose: 'evaluate', model, recipe, shown, temperature: 0, samples: 1, seed: 0 };
    const generated = await generate(store, request, reporter);
    if (!generated) return { status: 'preempted', step: reporter.step };
    return done(store, pairs.length, generated.map(toJudgement), began);
  } finally {
    reporter.stop();
  }
}

async function done(
  store: ArtifactStore,
  pairs: number,
  judgements: Judgement[],
  began: number,
): Promise<JudgeShardResult> {
  return {
    status: 'done',
    judgements: await store.putLines('verdicts', judgements),
    pairs,
    tokens: judgements.reduce((sum, { tokens }) => sum + tokens, 0),
    seconds: (Date.now() - began) / 1000,
  };
}

function greedy({ promptVersion, evaluate }: Recipe) {
  return { promptVersion, sampling: { temperature: 0, maxTokens: evaluate.maxNewTokens, seed: 0 } };
}

function toJudgement({ item, prompt, outputs }: Generated): Judgement {
  const { text, tokens, finished } = outputs[0]!;
  const promptSha256 = createHash('sha256').update(prompt).digest('hex');
  return { ...about(item), verdict: parseVerdict(text), promptSha256, text, tokens, finished };
}

/** A pair that the server refuses to read is judged neither way. */
function fromOpinion(
  item: PresentedPair,
  { text, promptSha256 = '', outputTokens, finished, refused }: Opinion,
): Judgement {
  const verdict = refused ? 'none' : parseVerdict(text);
  return { ...about(item), verdict, promptSha256, text, tokens: outputTokens, finished };
}

function about({ pair, gold }: PresentedPair) {
  return {
    pairId: pair.id,
    category: pair.category,
    gold,
    ...(pair.styles ? { styles: pair.styles } : {}),
    ...(pair.group ? { group: pair.group } : {}),
  };
}
