/** From comparisons of two to scores of many: round robin and knockout over n answers. Pure; the caller compares. */

/** Which of two answers is better; `tie` where a judge does not say, or contradicts itself. */
export type Outcome = 'first' | 'second' | 'tie';
/** Compare the answers with these indices, each comparison at most once. */
export type Compare = (first: number, second: number) => Promise<Outcome>;

export interface Standing {
  /** Score of each answer in [0, 1], in the order given. */
  scores: number[];
  /** Indices, best first; equal scores in the order given. */
  ranking: number[];
  /** Comparisons that were made. */
  comparisons: { first: number; second: number; outcome: Outcome }[];
}

/** Every answer against every other: the score is the share of comparisons won, a tie counting half. n (n − 1) / 2 comparisons. */
export async function roundRobin(count: number, compare: Compare): Promise<Standing> {
  const pairs = Array.from({ length: count }, (_, first) =>
    Array.from({ length: count - first - 1 }, (_, offset) => ({ first, second: first + offset + 1 })),
  ).flat();
  const comparisons = await Promise.all(
    pairs.map(async ({ first, second }) => ({ first, second, outcome: await compare(first, second) })),
  );
  const wins = new Array<number>(count).fill(0);
  for (const { first, second, outcome } of comparisons) {
    wins[first]! += outcome === 'first' ? 1 : outcome === 'tie' ? 0.5 : 0;
    wins[second]! += outcome === 'second' ? 1 : outcome === 'tie' ? 0.5 : 0;
  }
  const scores = wins.map((won) => (count > 1 ? won / (count - 1) : 1));
  return { scores, ranking: rank(scores), comparisons };
}

/**
 * Losers leave; n − 1 comparisons. The score is the share of the rounds that an answer survived, 1 for the winner. A tie
 * is decided for the answer given first. Byes go to the answers given first.
 */
export async function knockout(count: number, compare: Compare): Promise<Standing> {
  const comparisons: Standing['comparisons'] = [];
  const survived = new Array<number>(count).fill(0);
  let alive = Array.from({ length: count }, (_, index) => index);
  let rounds = 0;
  while (alive.length > 1) {
    rounds += 1;
    // A first round that leaves a power of two, so that nobody has more than one bye.
    const full = 2 ** Math.floor(Math.log2(alive.length - 1));
    const byes = alive.slice(0, 2 * full - alive.length);
    const players = alive.slice(byes.length);
    const matches = Array.from({ length: players.length / 2 }, (_, index) => ({
      first: players[2 * index]!,
      second: players[2 * index + 1]!,
    }));
    const played = await Promise.all(
      matches.map(async ({ first, second }) => ({ first, second, outcome: await compare(first, second) })),
    );
    comparisons.push(...played);
    alive = [...byes, ...played.map(({ first, second, outcome }) => (outcome === 'second' ? second : first))];
    for (const index of alive) survived[index] = rounds;
  }
  const scores = survived.map((last) => (rounds > 0 ? last / rounds : 1));
  return { scores, ranking: rank(scores), comparisons };
}

/** Indices by falling score; equal scores keep their order. */
export function rank(scores: readonly number[]): number[] {
  return scores.map((_, index) => index).sort((a, b) => scores[b]! - scores[a]!);
}
