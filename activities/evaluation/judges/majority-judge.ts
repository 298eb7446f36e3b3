/** Several models, one vote each: the answer that most of them name (RM-R1's comparison with several APIs). */
import type { Position } from '../../../judge/pair.js';
import type { RecordVerdict } from '../../../benchmarks/verdict-record.js';
import type { Judge, Opinion } from './judge.js';

/** The answer named by more than half of all voters; `none` where no answer is. */
export function majorityOf(verdicts: readonly RecordVerdict[]): Position | 'none' {
  const votes = (position: Position) => verdicts.filter((verdict) => verdict === position).length;
  if (2 * votes('A') > verdicts.length) return 'A';
  return 2 * votes('B') > verdicts.length ? 'B' : 'none';
}

/** @param members an odd number, in the order in which their texts are shown. */
export function majorityJudge(members: readonly Judge[]): Judge {
  return {
    identity: { kind: 'majority', members: members.map(({ identity }) => identity) },
    concurrency: {
      initial: Math.min(...members.map(({ concurrency }) => concurrency.initial)),
      most: Math.min(...members.map(({ concurrency }) => concurrency.most)),
    },
    // Its members are.
    stored: false,
    async ask(question, signal) {
      const opinions = await Promise.all(members.map((member) => member.ask(question, signal)));
      return joined(opinions, members);
    },
    async close() {
      await Promise.all(members.map((member) => member.close()));
    },
  };
}

function joined(opinions: readonly Opinion[], members: readonly Judge[]): Opinion {
  const sum = (of: (opinion: Opinion) => number) =>
    opinions.reduce((total, opinion) => total + of(opinion), 0);
  return {
    verdict: majorityOf(opinions.map(({ verdict }) => verdict)),
    text: opinions
      .map(({ text, verdict }, index) => `${String(members[index]!.identity['model'])}: ${verdict}\n${text}`)
      .join('\n\n'),
    inputTokens: sum(({ inputTokens }) => inputTokens),
    outputTokens: sum(({ outputTokens }) => outputTokens),
    ...(opinions.every(({ costUsd }) => costUsd !== undefined)
      ? { costUsd: sum(({ costUsd = 0 }) => costUsd) }
      : {}),
    finished: opinions.every(({ finished }) => finished),
  };
}
