import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Pair } from '../../judge/pair.js';
import {
  assignGold,
  BadDataError,
  conversationKey,
  dedupePairs,
  findLeaks,
  firstInHashOrder,
  leakage,
  normaliseText,
  splitPairs,
} from '../../activities/dataset/index.js';
import { arbitraryPair } from './arbitrary-pair.js';

const simple = (question: string, id = question, chosen = 'yes', rejected = 'no'): Pair => ({
  id,
  conversation: [{ role: 'user', content: question }],
  chosen,
  rejected,
  category: 'chat',
});
const many = (count: number): Pair[] =>
  Array.from({ length: count }, (_, i) => simple(`question number ${i}`));
/** Pairs with few different texts, so that collisions between them are common. */
const crowded = fc.array(
  fc
    .tuple(
      fc.constantFrom('a', 'A!', 'b', 'c'),
      fc.constantFrom('x', 'y', 'z'),
      fc.constantFrom('x', 'y', 'z'),
      fc.nat(3),
    )
    .filter(([, chosen, rejected]) => chosen !== rejected)
    .map(([question, chosen, rejected, n]) => simple(`${question} ${n}`, 'id', chosen, rejected)),
  { maxLength: 60 },
);
/** The same, some of them after an opening turn: other conversations with the same last question and answers. */
const reopened = fc
  .tuple(crowded, fc.array(fc.nat(4), { minLength: 60, maxLength: 60 }))
  .map(([pairs, openings]) =>
    pairs.map((pair, index): Pair => {
      const opening = { role: 'system' as const, content: `opening ${openings[index]}` };
      return openings[index] ? { ...pair, conversation: [opening, ...pair.conversation] } : pair;
    }),
  );
const tolerant = (pairs: Pair[], seed: number) => {
  try {
    return splitPairs(pairs, { validationShare: 0.2, testShare: 0.3, seed });
  } catch (error) {
    if (BadDataError.isInstance(error)) return undefined;
    throw error;
  }
};

describe('splits', () => {
  it('no question of one split is known from another, for any data and seed', () => {
    fc.assert(
      fc.property(
        fc.oneof(crowded, reopened, fc.array(arbitraryPair, { maxLength: 40 })),
        fc.nat(),
        (pairs, seed) => {
          const splits = tolerant(pairs, seed);
          if (!splits) return;
          const { train, validation, test } = splits;
          expect(findLeaks({ train, validation, test })).toEqual([]);
          expect(train.length + validation.length + test.length).toBe(dedupePairs(pairs).length);
        },
      ),
    );
  });

  it('do not depend on the order of the file, and later data does not move earlier pairs', () => {
    const splits = (pairs: Pair[]) => {
      const result = splitPairs(pairs, { validationShare: 0.1, testShare: 0.1, seed: 3 });
      return Object.fromEntries(
        (['train', 'validation', 'test'] as const).flatMap((name) =>
          result[name].map(({ id }) => [id, name]),
        ),
      );
    };
    const pairs = many(300);
    const before = splits(pairs);
    expect(splits([...pairs].reverse())).toEqual(before);
    expect(splits([...many(500)].reverse())).toMatchObject(before);
  });

  it('have about the shares asked for, and differ by seed', () => {
    const [one, two] = [1, 2].map((seed) =>
      splitPairs(many(4000), { validationShare: 0.05, testShare: 0.1, seed }),
    );
    // Four standard deviations of a binomial count.
    expect(Math.abs((one?.test.length ?? 0) - 400)).toBeLessThan(76);
    expect(Math.abs((one?.validation.length ?? 0) - 200)).toBeLessThan(56);
    expect(one?.test).not.toEqual(two?.test);
  });

  it('refuse data that leaves a split empty', () => {
    expect(() => splitPairs(many(2), { validationShare: 0.1, testShare: 0.1, seed: 1 })).toThrow(
      /2 different conversations are too few for a \w+ split/,
    );
  });

  it('need no validation split where its share is zero', () => {
    expect(splitPairs(many(100), { validationShare: 0, testShare: 0.2, seed: 1 }).validation).toEqual([]);
  });

  it('count identical pairs once', () => {
    const splits = splitPairs([...many(100), ...many(100)], {
      validationShare: 0.1,
      testShare: 0.1,
      seed: 1,
    });
    expect(splits.duplicates).toBe(100);
  });
});

describe('leakage', () => {
  it('is found through case, quotes, spacing and final punctuation', () => {
    const train = [simple('What is  “love”?', 't')];
    const test = [simple('what is love', 'u', 'other', 'answers')];
    expect(() => leakage({ train, test })).toThrow(
      /test pair "u" has the same conversation as train pair "t"/,
    );
  });
  it('is found where the same comparison follows another opening', () => {
    const test = [
      {
        ...simple('why?', 'u'),
        conversation: [{ role: 'system' as const, content: 's' }, ...simple('why?').conversation],
      },
    ];
    expect(findLeaks({ train: [simple('why?', 't')], test })).toMatchObject([{ kind: 'comparison' }]);
  });
  it('of the question alone is allowed where the problem is in the answers, if asked for', () => {
    const splits = {
      train: [simple('Name two birds.', 't', 'wren, owl', 'wren, cod')],
      test: [simple('Name two birds.', 'u')],
    };
    expect(findLeaks(splits)).toHaveLength(1);
    expect(findLeaks(splits, { kinds: ['comparison'] })).toEqual([]);
  });
  it('is not seen between sums that differ by a sign or a point', () => {
    const questions = ['3 - 5', '3 + 5', '3.5', '35', '3 * 5', '3 / 5'];
    expect(new Set(questions.map(normaliseText)).size).toBe(questions.length);
    const splits = Object.fromEntries(questions.map((question) => [question, [simple(question)]]));
    expect(leakage(splits)['3.5']).toBe(1);
  });
  it('text of punctuation alone keeps its identity', () => {
    expect(normaliseText('?!')).not.toBe(normaliseText('...'));
  });
  it('turn borders matter: one long turn is not two short ones', () => {
    const one = conversationKey([{ role: 'user', content: 'a b' }]);
    const two = conversationKey([
      { role: 'user', content: 'a' },
      { role: 'user', content: 'b' },
    ]);
    expect(one).not.toBe(two);
  });
});

describe('positions', () => {
  it('A and B are balanced within one, overall and in each category, for any data and seed', () => {
    fc.assert(
      fc.property(fc.array(arbitraryPair, { maxLength: 40 }), fc.nat(), (pairs, seed) => {
        const presented = assignGold(pairs, seed);
        expect(presented.map(({ pair }) => pair)).toEqual(pairs);
        for (const category of [undefined, ...new Set(pairs.map((pair) => pair.category))]) {
          const golds = presented.filter(({ pair }) => !category || pair.category === category);
          const difference = golds.reduce((sum, { gold }) => sum + (gold === 'A' ? 1 : -1), 0);
          expect(Math.abs(difference)).toBeLessThanOrEqual(1);
        }
        for (const { pair, gold, answerA, answerB } of presented)
          expect(gold === 'A' ? [answerA, answerB] : [answerB, answerA]).toEqual([
            pair.chosen,
            pair.rejected,
          ]);
      }),
    );
  });
  it('do not depend on file order, and differ by seed', () => {
    const golds = (pairs: Pair[], seed: number) =>
      Object.fromEntries(assignGold(pairs, seed).map(({ pair, gold }) => [pair.id, gold]));
    expect(golds(many(50).reverse(), 1)).toEqual(golds(many(50), 1));
    expect(golds(many(50), 2)).not.toEqual(golds(many(50), 1));
  });
});

describe('a sample of the data', () => {
  it('is the same whatever the order of the file', () => {
    const ids = (pairs: Pair[]) => firstInHashOrder(pairs, 10, 1).map(({ id }) => id);
    expect(ids(many(50).reverse())).toEqual(ids(many(50)));
    expect(new Set(ids(many(50))).size).toBe(10);
  });
});
