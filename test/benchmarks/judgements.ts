import type { Judgement } from '../../benchmarks/index.js';

let next = 0;
/** A judgement for tests; `fields` say what matters. */
export function judgement(fields: Partial<Judgement>): Judgement {
  next += 1;
  return {
    pairId: `pair-${next}`,
    category: 'chat/tone',
    gold: 'A',
    verdict: 'A',
    promptSha256: '0'.repeat(64),
    text: '',
    tokens: 1,
    finished: true,
    ...fields,
  };
}

/** Both orders of one pair with the given verdicts: first where gold is A, then where gold is B. */
export function bothOrders(verdicts: string, fields: Partial<Judgement> = {}): Judgement[] {
  next += 1;
  const letters = { A: 'A', B: 'B', n: 'none', x: 'both' } as const;
  const verdict = (index: number) => letters[verdicts[index] as keyof typeof letters];
  const shared = { pairId: `pair-${next}`, ...fields };
  return [
    judgement({ ...shared, gold: 'A', verdict: verdict(0) }),
    judgement({ ...shared, gold: 'B', verdict: verdict(1) }),
  ];
}
