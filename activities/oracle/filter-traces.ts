/** From oracle judgements to traces: the gold filter, the cap on hinted ones, the figures of the distillation. */
import type { ArtifactRef } from '../artifacts/ref.js';
import type { ArtifactStore } from '../artifacts/store.js';
import type { PresentedPair, Position } from '../../judge/pair.js';
import { UserError } from '../../workflows/errors.js';
import { readPairLines } from '../dataset/pair-lines.js';
import type { TracesInput } from '../interface.js';
import { finishStage, findStage, type StageIdentity } from '../stage.js';
import type { StageOutcome } from '../stage-outcome.js';
import { VERSIONS } from '../versions.js';
import { distillationStats } from './distillation-stats.js';
import type { OracleJudgement } from './judge-with-oracle.js';

/** One line of a traces artefact (RM-R1: y = reasoning ⊕ verdict), with the pair it judges. */
export interface Trace {
  pairId: string;
  /** `hinted` traces were written with the gold verdict at hand; they tend to take shortcuts. */
  source: 'direct' | 'hinted';
  gold: Position;
  category: string;
  model: string;
  text: string;
  shown: PresentedPair;
}

/** One line of the rejected judgements: nothing that was paid for is thrown away. */
export type RejectedTrace = OracleJudgement & { reason: 'wrong-verdict' | 'refused' | 'cut' | 'hinted-cap' };

/** What determines the traces: price, concurrency and address do not. */
export function distillationIdentity({
  recipe,
  seed,
  pairs,
}: Pick<TracesInput, 'recipe' | 'seed' | 'pairs'>): StageIdentity {
  const { model, correctionModel, temperature, maxTokens, provider } = recipe.oracle;
  const { shardSize: _, ...distill } = recipe.distill;
  return {
    stage: 'distill',
    inputs: { pairs },
    settings: { oracle: { provider, model, correctionModel, temperature, maxTokens }, distill },
    versions: { distill: VERSIONS.distill },
    seed,
  };
}

export function findDistillation(store: ArtifactStore, input: Omit<TracesInput, 'firstPass' | 'secondPass'>) {
  return findStage(store, distillationIdentity(input));
}

/**
 * Keep the judgements that end in the gold verdict, hinted ones up to the recipe's share.
 * @throws UserError `NoTraces` where nothing is left to train on.
 */
export async function filterTraces(store: ArtifactStore, input: TracesInput): Promise<StageOutcome> {
  const { recipe, context } = input;
  const wanted = await readPairLines(store, input.pairs, 0, recipe.distill.pairs);
  const shown = new Map(wanted.map((presented) => [presented.pair.id, presented]));
  const first = await readJudgements(store, input.firstPass);
  const second = await readJudgements(store, input.secondPass);

  const traces: Trace[] = [];
  const rejected: RejectedTrace[] = [];
  const direct = first.filter(({ agreed }) => agreed).length;
  const hintedCap = hintedLimit(direct, recipe.distill.hintedShareMax);
  let hinted = 0;
  for (const judgement of [...first, ...second]) {
    const presented = shown.get(judgement.pairId);
    if (!presented) continue;
    if (!judgement.agreed) rejected.push({ ...judgement, reason: reasonOf(judgement) });
    else if (judgement.pass === 2 && hinted >= hintedCap)
      rejected.push({ ...judgement, reason: 'hinted-cap' });
    else {
      if (judgement.pass === 2) hinted += 1;
      const { pairId, category, gold, model, text, pass } = judgement;
      traces.push({
        pairId,
        source: pass === 1 ? 'direct' : 'hinted',
        gold,
        category,
        model,
        text,
        shown: presented,
      });
    }
  }
  if (traces.length === 0) {
    throw new UserError(
      'NoTraces',
      `None of the ${first.length} judgements of '${recipe.oracle.model}' ends in the gold verdict: check that it is a model that follows the prompt (maxTokens ${recipe.oracle.maxTokens} may be too few).`,
    );
  }
  traces.sort((a, b) => (a.pairId < b.pairId ? -1 : a.pairId > b.pairId ? 1 : 0));

  const stats = distillationStats(first, second, traces, input.cost.usd);
  return finishStage(store, distillationIdentity(input), context, {
    outputs: {
      traces: await store.putLines('traces', traces),
      ...(rejected.length > 0 ? { rejected: await store.putLines('outputs', rejected) } : {}),
      stats: await store.putBytes('stats', JSON.stringify(stats, null, 2)),
    },
    metrics: {
      traces: traces.length,
      agreement: stats.agreement,
      hintedShare: stats.hintedShare,
      rejected: rejected.length,
    },
    cost: input.cost,
  });
}

/** Hinted traces allowed beside `direct` ones so that their share of all stays within `share`. */
export function hintedLimit(direct: number, share: number): number {
  return share >= 1 ? Infinity : Math.floor((share / (1 - share)) * direct + 1e-9);
}

function reasonOf({ finishReason }: OracleJudgement): RejectedTrace['reason'] {
  if (finishReason === 'content_filter') return 'refused';
  return finishReason === 'length' ? 'cut' : 'wrong-verdict';
}

async function readJudgements(store: ArtifactStore, refs: ArtifactRef[]): Promise<OracleJudgement[]> {
  const judgements: OracleJudgement[] = [];
  for (const ref of refs)
    for await (const line of store.openLines(ref)) judgements.push(line as OracleJudgement);
  return judgements;
}
