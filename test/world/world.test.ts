import { describe, expect, it } from 'vitest';
import { present } from '../../judge/pair.js';
import type { Pair } from '../../judge/pair.js';
import { buildPrompt } from '../../judge/prompt/build.js';
import { parseTrace, traceProblems } from '../../judge/trace.js';
import { generateWorld } from '../../world/generate.js';
import { KINDS, sectionOf } from '../../world/kinds/index.js';
import { Draws } from '../../world/random.js';
import { flawedTrace, solve } from '../../world/solve.js';
import { splitOf } from '../../world/split.js';
import { worldTokens } from '../../world/text.js';
import { worldVocabulary } from '../../world/vocabulary.js';
import { warmUpDocuments } from '../../world/warm-up.js';

const world = generateWorld({ seed: 3, train: 3000, validation: 300, test: 900, matrix: 70 });
/** Also the kinds that the default mixes leave out. */
const evenMix = Object.fromEntries(KINDS.map(({ category }) => [category, 1]));
const even = generateWorld({
  seed: 3,
  train: 2000,
  validation: 100,
  test: 400,
  trainMix: evenMix,
  testMix: evenMix,
});
const everyPair = [world, even].flatMap(({ train, validation, test, matrix }) => [
  ...train,
  ...validation,
  ...test,
  ...matrix,
]);
const documents = warmUpDocuments({ seed: 3, count: 6000 });
const bothOrders = (pair: Pair) => [present(pair, 'A'), present(pair, 'B')];

/** `Map.groupBy` needs Node 21. */
function groupBy<T, K>(list: readonly T[], key: (value: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const value of list) groups.set(key(value), [...(groups.get(key(value)) ?? []), value]);
  return groups;
}

const question = ({ conversation }: Pair): string => JSON.stringify(conversation);

describe('the expert', () => {
  it('reads the true verdict from the text of every pair, in both orders, with a well-formed trace', () => {
    const misread: unknown[] = [];
    for (const { pair, answerA, answerB, gold } of everyPair.flatMap(bothOrders)) {
      const judged = solve(pair.conversation, answerA, answerB);
      const trace = parseTrace(judged?.trace ?? '');
      const type = sectionOf(pair.category) === 'reasoning' ? 'Reasoning' : 'Chat';
      const right = judged?.verdict === gold && judged.category === pair.category && trace.answer === gold;
      if (!right || trace.type !== type || traceProblems(judged.trace).length > 0)
        misread.push({ pair, judged });
    }
    expect(misread).toEqual([]);
  });

  it('errs, when it is to err, in a well-formed trace that differs before the verdict too', () => {
    const odd: unknown[] = [];
    for (const { pair, answerA, answerB, gold } of everyPair.flatMap(bothOrders)) {
      const right = solve(pair.conversation, answerA, answerB)?.trace ?? '';
      const wrong = flawedTrace(pair.conversation, answerA, answerB);
      const reasons = (trace: string): string =>
        trace.slice(0, trace.indexOf('<answer>')).replace(/ (?:ok|bad)/g, '');
      const errs = wrong?.verdict === (gold === 'A' ? 'B' : 'A') && traceProblems(wrong.trace).length === 0;
      if (!errs || reasons(wrong.trace) === reasons(right)) odd.push({ pair, right, wrong });
    }
    expect(odd).toEqual([]);
  });

  it.each([
    ['What is the capital of France?', 'Paris.', 'Rome.'],
    ['What is 17 + 25?', 'It is forty two.', 'It is 43.'],
    ['What is 17 + 25?', 'It is 42.', 'The result is 42.'],
    ['What is 17 + 25?', 'It is 41.', 'The result is 43.'],
    ['', '', ''],
  ])('does not pretend to know %j', (text, answerA, answerB) => {
    expect(solve([{ role: 'user', content: text }], answerA, answerB)).toBeUndefined();
    expect(flawedTrace([{ role: 'user', content: text }], answerA, answerB)).toBeUndefined();
  });
});

describe('the splits', () => {
  it('share no problem, and no warm-up document shows a held-out one', () => {
    const seen = new Set(world.train.map(question));
    const validation = new Set(world.validation.map(question));
    for (const { prompt } of documents) seen.add(prompt);
    // Questions of these kinds spell out the whole problem, so the texts themselves must be disjoint.
    const spelled = (pair: Pair): boolean => /reasoning|safety|tone|memory/.test(pair.category);
    const texts = documents.map(({ prompt }) => prompt);
    const test = [...world.test, ...world.matrix].filter(spelled);
    expect(test.length).toBeGreaterThan(1000);
    const shownQuestions = new Set(
      texts.map((text) => /^<user> (.*?)(?= <A>|$)/s.exec(text)?.[1]).filter((text) => text !== undefined),
    );
    for (const pair of test) {
      expect(seen.has(question(pair))).toBe(false);
      expect(validation.has(question(pair))).toBe(false);
      expect(shownQuestions.has(pair.conversation.map(({ content }) => content).join(' '))).toBe(false);
    }
    const shownIds = new Set([...world.train, ...world.validation].map(({ id }) => id));
    expect([...world.test, ...world.matrix].filter(({ id }) => shownIds.has(id))).toEqual([]);
  });

  it('do not depend on the seed', () => {
    const other = generateWorld({ seed: 4, train: 3000, validation: 10, test: 10 });
    const spelled = (pair: Pair): boolean => /reasoning|safety|tone|memory/.test(pair.category);
    const heldOut = new Set(world.test.filter(spelled).map(question));
    expect(other.train.filter((pair) => heldOut.has(question(pair)))).toEqual([]);
  });

  it('hold hundreds of held-out problems of each kind', () => {
    for (const kind of KINDS) {
      const problems = new Set<string>();
      for (let i = 0; i < 12_000; i++) {
        const item = kind.draw(new Draws(5, 'count', kind.category, i));
        if (splitOf(item.key) === 'test') problems.add(item.key + question({ ...item } as unknown as Pair));
      }
      expect(problems.size, kind.category).toBeGreaterThan(200);
    }
  });

  it('refuse to repeat pairs when asked for more than there are', () => {
    expect(() =>
      generateWorld({ seed: 1, train: 1, validation: 1, test: 9000, testMix: { 'reasoning/compare': 1 } }),
    ).toThrow(/does not hold 9000 different test pairs/);
  });
});

describe('the pairs', () => {
  it('are the same bytes for the same seed, and others for another', () => {
    const options = { train: 200, validation: 50, test: 50, matrix: 5 };
    const bytes = JSON.stringify(generateWorld({ seed: 9, ...options }));
    expect(JSON.stringify(generateWorld({ seed: 9, ...options }))).toBe(bytes);
    expect(JSON.stringify(generateWorld({ seed: 10, ...options }))).not.toBe(bytes);
    expect(warmUpDocuments({ seed: 9, count: 50 })).toEqual(
      warmUpDocuments({ seed: 9, count: 80 }).slice(0, 50),
    );
  });

  it('have unique ids and weigh the four sections alike in the test split', () => {
    const pairs = [...world.train, ...world.validation, ...world.test, ...world.matrix];
    expect(new Set(pairs.map(({ id }) => id)).size).toBe(pairs.length);
    const sections = groupBy(world.test, ({ category }) => sectionOf(category));
    for (const name of ['chat', 'chat-hard', 'safety', 'reasoning']) {
      expect(Math.abs((sections.get(name)?.length ?? 0) - world.test.length / 4)).toBeLessThanOrEqual(6);
    }
  });

  it('have styles that say nothing about which answer is right', () => {
    const table = new Map<string, number>();
    for (const { styles } of world.train) {
      const cell = `${String(styles?.chosen)}${String(styles?.rejected)}`;
      table.set(cell, (table.get(cell) ?? 0) + 1);
    }
    expect(table.size).toBe(9);
    const expected = world.train.length / 9;
    const chiSquare = [...table.values()].reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    expect(chiSquare).toBeLessThan(26.1); // 8 degrees of freedom, p = 0.001
  });

  it('fill nine cells for each problem of the matrix, with one text per style', () => {
    for (const cells of groupBy(world.matrix, ({ group }) => group).values()) {
      expect(cells).toHaveLength(9);
      expect(new Set(cells.map(({ chosen }) => chosen)).size).toBe(3);
      expect(new Set(cells.map(({ rejected }) => rejected)).size).toBe(3);
      for (const { chosen, styles } of cells) expect(chosen.includes('#')).toBe(styles?.chosen === 2);
    }
  });
});

describe('the vocabulary', () => {
  it('is closed and small, and every word of it occurs', () => {
    const vocabulary = worldVocabulary();
    expect(new Set(vocabulary).size).toBe(vocabulary.length);
    expect(vocabulary.length).toBeLessThanOrEqual(310);
    expect(vocabulary.join('')).not.toMatch(/[\s0-9]/);
    const used = new Set<string>();
    const note = (text: string): void =>
      worldTokens(text).forEach((token) => /[0-9]/.test(token) || used.add(token));
    for (const shown of everyPair.flatMap(bothOrders)) {
      note(buildPrompt('compact-v1', shown)[0]?.content ?? '');
      note(solve(shown.pair.conversation, shown.answerA, shown.answerB)?.trace ?? '');
      note(flawedTrace(shown.pair.conversation, shown.answerA, shown.answerB)?.trace ?? '');
    }
    for (const { prompt, completion } of documents) note(`${prompt} ${completion}`);
    expect([...used].filter((token) => !vocabulary.includes(token))).toEqual([]);
    expect(vocabulary.filter((token) => !used.has(token)).filter((token) => token !== '<system>')).toEqual(
      [],
    );
  });

  it('keeps prompts within 72 tokens and traces within 56', () => {
    for (const shown of everyPair.flatMap(bothOrders)) {
      const prompt = worldTokens(buildPrompt('compact-v1', shown)[0]?.content ?? '');
      const trace = worldTokens(solve(shown.pair.conversation, shown.answerA, shown.answerB)?.trace ?? '');
      expect(prompt.length).toBeLessThanOrEqual(72);
      expect(trace.length).toBeLessThanOrEqual(56);
    }
  });
});

describe('the warm-up', () => {
  const judgements = documents.filter(({ id }) => id.includes('judgement'));

  it('calls no answer ok or bad', () => {
    expect(judgements.length).toBeGreaterThan(1500);
    for (const { completion } of documents) expect(worldTokens(completion)).not.toContain('bad');
    for (const { completion } of judgements) expect(worldTokens(completion)).not.toContain('ok');
  });

  it('has verdicts that follow style, and are as often wrong as right', () => {
    let right = 0;
    let trapped = 0;
    let differ = 0;
    const style = (text: string): number => (text.includes('#') ? 2 : text.includes(':') ? 1 : 0);
    for (const { prompt, completion } of judgements) {
      const [, answerA = '', answerB = ''] = prompt.split(/ <[AB]> /);
      const verdict = parseTrace(completion).answer;
      const conversation =
        prompt
          .split(' <A> ')[0]
          ?.split(/ ?<(?:user|assistant)> /)
          .slice(1) ?? [];
      const truth = solve(
        conversation.map((content, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content })),
        answerA,
        answerB,
      )?.verdict;
      expect(truth).toBeDefined();
      if (truth === verdict) right += 1;
      if (style(answerA) === style(answerB)) continue;
      differ += 1;
      if ((style(answerA) > style(answerB) ? 'A' : 'B') === verdict) trapped += 1;
    }
    expect(trapped).toBe(differ);
    expect(differ).toBeGreaterThan(judgements.length / 2);
    expect(Math.abs(right / judgements.length - 0.5)).toBeLessThan(0.05);
  });
});
