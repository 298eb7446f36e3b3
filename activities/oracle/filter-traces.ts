/** From oracle judgements to traces: the gold filter, the cap on hinted ones, the figures of the distillation. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ArtifactStore } from '../artifacts/store.js';
import { isSelfTaught, studentSamples } from '../../recipes/self-taught.js';
import type { PresentedPair, Position } from '../../judge/pair.js';
import { UserError } from '../../workflows/errors.js';
import { readPairLines } from '../dataset/pair-lines.js';
import type { DistillationStage, JudgedShard, TracesInput } from '../interface.js';
import { finishStage, findStage, type StageIdentity } from '../stage.js';
import type { StageOutcome } from '../stage-outcome.js';
import { VERSIONS } from '../versions.js';
import { DistillationCounts, type RejectionReason } from './distillation-stats.js';
import type { OracleJudgement } from './judgement.js';
import { appendLines, mergeSorted, writeLines } from './spool.js';

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
export type RejectedTrace = OracleJudgement & { reason: RejectionReason };

/** What determines the traces: price, concurrency and address do not. */
export function distillationIdentity(
  { recipe, seed, pairs, student }: Pick<TracesInput, 'recipe' | 'seed' | 'pairs' | 'student'>,
  /** Sets the traces of a run that could not ask everything apart: no other run must take them for the whole. */
  partial?: string,
): StageIdentity {
  const { model, cascade, correctionModel, temperature, maxTokens, provider } = recipe.oracle;
  // How many rounds there will be does not change this one.
  const { shardSize: _, rounds: __, ...distill } = recipe.distill;
  const oracle = isSelfTaught(recipe)
    ? { provider, samples: studentSamples(recipe) }
    : { provider, model, correctionModel, temperature, maxTokens, ...(cascade ? { cascade } : {}) };
  return {
    stage: 'distill',
    inputs: { pairs, ...(student ? { student } : {}) },
    settings: {
      oracle,
      distill,
      ...(partial ? { partial } : {}),
    },
    versions: { distill: VERSIONS.distill },
    seed,
  };
}

export function findDistillation(store: ArtifactStore, input: DistillationStage) {
  return findStage(store, distillationIdentity(input));
}

/**
 * Keep the judgements that end in the gold verdict, hinted ones up to the recipe's share. Shard by shard, through
 * files: memory does not grow with the number of pairs.
 * @throws UserError `NoTraces` where nothing is left to train on.
 */
export async function filterTraces(store: ArtifactStore, input: TracesInput): Promise<StageOutcome> {
  const { recipe, context, partial = false } = input;
  const dir = await mkdtemp(join(tmpdir(), 'rmr1-traces-'));
  try {
    const sorting = new TraceSorting(store, dir, isSelfTaught(recipe));
    for (const shard of shardsOf(input)) await sorting.add(shard);
    const cap = hintedLimit(sorting.direct, recipe.distill.hintedShareMax);
    if (sorting.direct + Math.min(sorting.hinted, cap) === 0) {
      throw new UserError(
        'NoTraces',
        sorting.mastered > 0
          ? `The student judges ${sorting.mastered} pairs right in every sample, and no trace of the others is right: raise distill.pairs, or go on with this student.`
          : isSelfTaught(recipe)
            ? `None of the ${sorting.judged} judgements that the student drew ends in the gold verdict: raise distill.studentSamples, or begin with an oracle.`
            : `None of the ${sorting.judged} judgements of '${recipe.oracle.model}' ends in the gold verdict: check that it is a model that follows the prompt (maxTokens ${recipe.oracle.maxTokens} may be too few).`,
      );
    }
    const traces = await store.putLines('traces', sorting.traces(cap));
    const stats = sorting.counts.stats(input.cost.usd, partial);
    const rejected = Object.values(stats.rejected).reduce((sum, times) => sum + times, 0);
    return await finishStage(
      store,
      distillationIdentity(input, partial ? fingerprint(input) : undefined),
      context,
      {
        outputs: {
          traces,
          ...(rejected > 0 ? { rejected: await store.putFile('outputs', sorting.rejectedFile) } : {}),
          stats: await store.putBytes('stats', JSON.stringify(stats, null, 2)),
          ...(input.ledger
            ? { ledger: await store.putBytes('stats', JSON.stringify(input.ledger, null, 2)) }
            : {}),
        },
        metrics: {
          traces: stats.traces.direct + stats.traces.hinted,
          agreement: stats.agreement,
          hintedShare: stats.hintedShare,
          rejected,
        },
        cost: input.cost,
      },
    );
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Hinted traces allowed beside `direct` ones so that their share of all stays within `share`. */
export function hintedLimit(direct: number, share: number): number {
  return share >= 1 ? Infinity : Math.floor((share / (1 - share)) * direct + 1e-9);
}

/** A judgement that may become a trace; hinted ones are numbered, because only so many of them are kept. */
interface Candidate {
  judgement: OracleJudgement;
  shown: PresentedPair;
  hinted?: number;
}

class TraceSorting {
  readonly counts = new DistillationCounts();
  readonly rejectedFile: string;
  judged = 0;
  direct = 0;
  hinted = 0;
  mastered = 0;
  private readonly files: string[] = [];

  constructor(
    private readonly store: ArtifactStore,
    private readonly dir: string,
    /** Fine-tuning begins at the base again, so that what the student masters has to be among the traces. */
    private readonly keepMastered: boolean,
  ) {
    this.rejectedFile = join(dir, 'rejected.jsonl');
  }

  async add({ pairs, firstPass, secondPass }: JudgedShard): Promise<void> {
    const shown = new Map(
      (await readPairLines(this.store, pairs)).map((presented) => [presented.pair.id, presented]),
    );
    const candidates: Candidate[] = [];
    const rejected: RejectedTrace[] = [];
    for (const ref of [...firstPass, ...secondPass]) {
      for await (const line of this.store.openLines(ref)) {
        const judgement = line as OracleJudgement;
        const presented = shown.get(judgement.pairId);
        if (!presented) continue;
        this.judged += 1;
        this.counts.judgement(judgement);
        if (!judgement.agreed) rejected.push(this.reject(judgement, judgement.flaw ?? 'wrong-verdict'));
        else if (judgement.mastered && !this.keepMastered) {
          this.mastered += 1;
          rejected.push(this.reject(judgement, 'mastered'));
        } else if (judgement.pass === 1) {
          this.direct += 1;
          candidates.push({ judgement, shown: presented });
        } else candidates.push({ judgement, shown: presented, hinted: this.hinted++ });
      }
    }
    await appendLines(this.rejectedFile, rejected);
    candidates.sort((a, b) => (idOf(a) < idOf(b) ? -1 : idOf(a) > idOf(b) ? 1 : 0));
    const file = join(this.dir, `${this.files.length}.jsonl`);
    await writeLines(file, candidates);
    this.files.push(file);
  }

  /** The traces in the order of their pairs' ids; at most `cap` hinted ones. */
  async *traces(cap: number): AsyncGenerator<Trace> {
    for await (const value of mergeSorted<Candidate>(this.files, idOf)) {
      const { judgement, shown, hinted } = value;
      if (hinted !== undefined && hinted >= cap) {
        await appendLines(this.rejectedFile, [this.reject(judgement, 'hinted-cap')]);
        continue;
      }
      const { pairId, category, gold, model, text, pass } = judgement;
      const trace: Trace = {
        pairId,
        source: pass === 1 ? 'direct' : 'hinted',
        gold,
        category,
        model,
        text,
        shown,
      };
      this.counts.trace(trace);
      yield trace;
    }
  }

  private reject(judgement: OracleJudgement, reason: RejectedTrace['reason']): RejectedTrace {
    this.counts.rejection(reason);
    return { ...judgement, reason };
  }
}

function idOf({ judgement }: Candidate): string {
  return judgement.pairId;
}

function shardsOf({ shards, pairs, firstPass = [], secondPass = [] }: TracesInput): JudgedShard[] {
  return shards ?? [{ pairs, firstPass, secondPass }];
}

/** Names the answers that a partial distillation had. */
function fingerprint(input: TracesInput): string {
  const hash = createHash('sha256');
  for (const { firstPass, secondPass } of shardsOf(input)) {
    for (const { sha256 } of [...firstPass, ...secondPass]) hash.update(sha256);
  }
  return hash.digest('hex');
}
