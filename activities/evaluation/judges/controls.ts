/** Judges that show what a score is worth: the longer answer, a fair coin, the truth itself. */
import { createHash } from 'node:crypto';
import type { Judge, Opinion, Question } from './judge.js';

type Control = 'length' | 'random' | 'oracle';

const said = (opinion: Pick<Opinion, 'verdict' | 'scores'>): Opinion => ({
  ...opinion,
  text: '',
  inputTokens: 0,
  outputTokens: 0,
  finished: true,
});

function decide(control: Control, seed: number, { answerA, answerB, gold, key, sample }: Question): Opinion {
  if (control === 'length') {
    // Code points, as a reader counts characters.
    const scores: [number, number] = [[...answerA].length, [...answerB].length];
    return said({ verdict: scores[0] === scores[1] ? 'tie' : scores[0] > scores[1] ? 'A' : 'B', scores });
  }
  if (control === 'oracle') {
    if (!gold) throw new Error("The control 'oracle' needs items whose better answer is known.");
    return said({ verdict: gold });
  }
  const name = key ?? `${answerA}\u0000${answerB}`;
  const coin = createHash('sha256')
    .update(`random ${seed} ${name} ${gold ?? ''} ${sample}`)
    .digest()[0]!;
  return said({ verdict: coin < 128 ? 'A' : 'B' });
}

/** @param seed of `random`; each item, order and sample is a toss of its own. */
export function controlJudge(control: Control, seed: number): Judge {
  return {
    identity: { kind: control, ...(control === 'random' ? { seed } : {}) },
    concurrency: { initial: 64, most: 64 },
    stored: false,
    ask: async (question) => decide(control, seed, question),
    close: async () => undefined,
  };
}
