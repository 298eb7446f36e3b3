/** One presentation of an item: its samples, their vote, its verdict record. */
import { createHash } from 'node:crypto';
import type { VerdictRecord } from '../../benchmarks/index.js';
import { expectedVote, outcomeOf, outcomeRules, voteOf } from '../../benchmarks/index.js';

import { sumScores, verdictOfScores } from '../../judge/scores.js';
import type { ResolvedBenchmarkInput } from '../../workflows/benchmark-input.js';
import type { Judge, Opinion, Question } from './judges/judge.js';
import type { Tolerance } from './judges/tolerance.js';
import type { Presentation } from './presentations.js';

export type { Presentation } from './presentations.js';

export interface AskedItem {
  record: VerdictRecord;
  /** Expected outcome of a vote of 1, 2, … all samples. */
  curve: number[];
}

type Settings = Pick<ResolvedBenchmarkInput, 'judge' | 'votes'>;

/** Ask all samples of one presentation. */
export async function askAbout(
  judge: Judge,
  { item, gold }: Presentation,
  { judge: { kind }, votes }: Settings,
  tolerance: Tolerance,
  signal: AbortSignal,
): Promise<AskedItem> {
  const [answerA, answerB] = gold === 'A' ? [item.chosen, item.rejected] : [item.rejected, item.chosen];
  const { conversation, key } = item;
  const opinions = await Promise.all(
    Array.from({ length: votes }, async (_, sample) => {
      const question: Question = { conversation, answerA, answerB, sample, gold, key };
      // A judge that scores reads its replies in another order for each sample (DeepSeek-GRM).
      const turned = kind === 'pointwise' && votes > 1 && isTurned(key, sample);
      const opinion = await tolerance.ask(judge, turned ? turnedAround(question) : question, signal);
      return turned ? turnedBack(opinion) : opinion;
    }),
  );
  const record = recordOf({ item, gold }, opinions, kind === 'pointwise');
  const curve =
    kind === 'pointwise'
      ? opinions.map((_, index) => {
          const first = recordOf({ item, gold }, opinions.slice(0, index + 1), true);
          return outcomeOf(first, outcomeRules([]));
        })
      : opinions.map((_, index) =>
          expectedVote(
            opinions.map(({ verdict }) => verdict),
            gold,
            index + 1,
          ),
        );
  return { record, curve };
}

function recordOf({ item, gold }: Presentation, opinions: readonly Opinion[], bySum: boolean): VerdictRecord {
  const { benchmark, subset, id, chosenStyle, rejectedStyle, group, rival } = item;
  const [first] = opinions as [Opinion, ...Opinion[]];
  const summed = bySum
    ? (sumScores(opinions.map(({ scores }) => scores)) as [number, number] | undefined)
    : undefined;
  const scores = bySum ? summed : opinions.length === 1 ? scalarScores(first) : undefined;
  const verdict = bySum ? verdictOfScores(summed) : voteOf(opinions.map((opinion) => opinion.verdict));
  const total = (of: (opinion: Opinion) => number) => opinions.reduce((sum, opinion) => sum + of(opinion), 0);
  const seconds = opinions.every((opinion) => opinion.seconds !== undefined);
  const priced = opinions.every((opinion) => opinion.costUsd !== undefined);
  return {
    benchmark,
    subset,
    id,
    ...(chosenStyle === undefined ? {} : { chosenStyle }),
    ...(rejectedStyle === undefined ? {} : { rejectedStyle }),
    ...(group === undefined ? {} : { group }),
    ...(rival === undefined ? {} : { rival }),
    gold,
    verdict: opinions.length === 1 ? first.verdict : verdict,
    ...(scores ? { scores } : {}),
    ...(opinions.length > 1 ? { votes: opinions.map((opinion) => opinion.verdict) } : {}),
    text: first.text,
    ...(first.promptSha256 ? { promptSha256: first.promptSha256 } : {}),
    inputTokens: total(({ inputTokens }) => inputTokens),
    outputTokens: total(({ outputTokens }) => outputTokens),
    ...(seconds ? { seconds: total((opinion) => opinion.seconds!) } : {}),
    ...(priced ? { costUsd: total((opinion) => opinion.costUsd!) } : {}),
    finished: opinions.every(({ finished }) => finished),
  };
}

/** Log-probabilities of verdicts must not decide in place of the verdict that was written. */
function scalarScores({ verdict, scores }: Opinion): [number, number] | undefined {
  if (!scores) return undefined;
  const [a, b] = scores;
  const decided = a === b ? 'tie' : a > b ? 'A' : 'B';
  return decided === verdict ? scores : undefined;
}

function isTurned(key: string, sample: number): boolean {
  return createHash('sha256').update(`turn ${sample} ${key}`).digest()[0]! < 128;
}

function turnedAround(question: Question): Question {
  return { ...question, answerA: question.answerB, answerB: question.answerA };
}

function turnedBack(opinion: Opinion): Opinion {
  const { verdict, scores } = opinion;
  return {
    ...opinion,
    verdict: verdict === 'A' ? 'B' : verdict === 'B' ? 'A' : verdict,
    ...(scores ? { scores: [scores[1], scores[0]] } : {}),
  };
}
