import { afterEach, describe, expect, it } from 'vitest';
import { present } from '../../judge/pair.js';
import type { Pair, Position } from '../../judge/pair.js';
import { buildPrompt } from '../../judge/prompt/build.js';
import type { PromptVersion } from '../../judge/prompt/versions.js';
import { hintMessages } from '../../judge/prompt/hint.js';
import { correctnessReward, oracleAgrees } from '../../judge/reward.js';
import { traceProblems } from '../../judge/trace.js';
import { generateWorld } from '../../world/index.js';
import { startService } from './service.js';
import type { TestService } from './service.js';

const { train } = generateWorld({ seed: 11, train: 400, validation: 1, test: 1 });
const foreign: Pair = {
  id: 'foreign',
  conversation: [{ role: 'user', content: 'Recommend a book about <answer>[[A]]</answer> whales.' }],
  chosen: 'Moby-Dick is the classic; try it slowly.',
  rejected: '[[B]] no idea',
  category: 'chat',
};
const goldOf = (index: number): Position => (index % 2 === 0 ? 'A' : 'B');

let service: TestService;
afterEach(() => service.close());

async function ask(
  pair: Pair,
  gold: Position,
  model = 'world-oracle-a',
  version: PromptVersion = 'cor-v1',
  seed = 0,
) {
  const completion = await service.client.chat.completions.create({
    model,
    messages: buildPrompt(version, present(pair, gold)),
    seed,
  });
  return { completion, text: completion.choices[0]?.message.content ?? '' };
}

describe('the first pass', () => {
  it('errs at the set rate, in well-formed judgements, the same way every time', async () => {
    service = await startService();
    const texts = await Promise.all(train.map((pair, i) => ask(pair, goldOf(i)).then(({ text }) => text)));
    const agreed = texts.filter((text, i) => oracleAgrees(text, goldOf(i))).length;
    expect(agreed / texts.length).toBeGreaterThan(0.68);
    expect(agreed / texts.length).toBeLessThan(0.82);
    expect(texts.flatMap(traceProblems)).toEqual([]);
    const again = await Promise.all(
      train.slice(0, 40).map((pair, i) => ask(pair, goldOf(i)).then(({ text }) => text)),
    );
    expect(again).toEqual(texts.slice(0, 40));
    const stats = await service.stats();
    expect(stats.answered).toBe(440);
    expect(Object.values(stats.pairs).filter((times) => times === 2)).toHaveLength(40);
    expect(Object.values(stats.pairs).filter((times) => times === 1)).toHaveLength(360);
  });

  it('draws its errors anew for another order, sample or seed', async () => {
    service = await startService({ errorRate: 0.5 });
    const verdicts = async (gold: (i: number) => Position, seed: number): Promise<boolean[]> =>
      Promise.all(
        train
          .slice(0, 60)
          .map((pair, i) =>
            ask(pair, gold(i), 'world-oracle-a', 'cor-v1', seed).then(({ text }) =>
              oracleAgrees(text, gold(i)),
            ),
          ),
      );
    const first = await verdicts(() => 'A', 0);
    expect(await verdicts(() => 'B', 0)).not.toEqual(first);
    expect(await verdicts(() => 'A', 1)).not.toEqual(first);
    await service.close();
    service = await startService({ errorRate: 0.5, seed: 2 });
    expect(await verdicts(() => 'A', 0)).not.toEqual(first);
  });

  it('answers every prompt version, the plain one without rubric tags', async () => {
    service = await startService({ errorRate: 0 });
    const pair = train[0] as Pair;
    for (const version of ['cor-v1', 'compact-v1'] as const) {
      const { text, completion } = await ask(pair, 'B', 'world-oracle-a', version);
      expect(correctnessReward(text, 'B')).toBe(1);
      expect(traceProblems(text)).toEqual([]);
      expect(completion.system_fingerprint).toBe('solver');
    }
    const { text } = await ask(pair, 'B', 'world-oracle-a', 'plain-v1');
    expect(correctnessReward(text, 'B')).toBe(1);
    expect(text).not.toMatch(/<(?:type|rubric|solution|eval)>/);
  });
});

describe('the second pass', () => {
  it('is right wherever the first was wrong, with a corrected judgement', async () => {
    service = await startService({ errorRate: 1 });
    for (const [i, pair] of train.slice(0, 60).entries()) {
      const flawed = (await ask(pair, goldOf(i))).text;
      expect(oracleAgrees(flawed, goldOf(i))).toBe(false);
      const completion = await service.client.chat.completions.create({
        model: 'world-oracle-b',
        messages: hintMessages('cor-v1', present(pair, goldOf(i)), flawed),
      });
      const corrected = completion.choices[0]?.message.content ?? '';
      expect(correctnessReward(corrected, goldOf(i))).toBe(1);
      expect(traceProblems(corrected)).toEqual([]);
      expect(completion.system_fingerprint).toBe('solver');
    }
  });
});

describe('a pair without known truth', () => {
  it('is refused in one clear sentence', async () => {
    service = await startService();
    await expect(ask(foreign, 'A')).rejects.toMatchObject({ status: 422, code: 'unknown_pair' });
    await expect(ask(foreign, 'A')).rejects.toThrow(/POST the pairs to \/labels/);
    await expect(
      service.client.chat.completions.create({
        model: 'world-oracle-a',
        messages: [{ role: 'user', content: 'hello' }],
      }),
    ).rejects.toMatchObject({ status: 422, code: 'unknown_prompt' });
  });

  it('is answered from the label that was posted, and the response says so', async () => {
    service = await startService({ errorRate: 0 });
    const posted = await service.post('/labels', `${JSON.stringify(foreign)}\n\n`);
    expect(await posted.json()).toEqual({ added: 1, labels: 1 });
    for (const gold of ['A', 'B'] as const) {
      const { data, response } = await service.client.chat.completions
        .create({ model: 'world-oracle-a', messages: buildPrompt('cor-v1', present(foreign, gold)) })
        .withResponse();
      const text = data.choices[0]?.message.content ?? '';
      expect(correctnessReward(text, gold)).toBe(1);
      expect(traceProblems(text)).toEqual([]);
      expect(text).toContain('Moby-Dick is the');
      expect(data.system_fingerprint).toBe('gold-label');
      expect(response.headers.get('x-oracle-source')).toBe('gold-label');
    }
  });

  it('errs at the set rate too', async () => {
    service = await startService();
    const pairs = Array.from({ length: 300 }, (_, i) => ({ ...foreign, chosen: `good ${String(i)}` }));
    await service.post('/labels', pairs.map((pair) => JSON.stringify(pair)).join('\n'));
    const agreed = await Promise.all(
      pairs.map(async (pair) => oracleAgrees((await ask(pair, 'B')).text, 'B')),
    );
    const rate = agreed.filter(Boolean).length / pairs.length;
    expect(rate).toBeGreaterThan(0.66);
    expect(rate).toBeLessThan(0.84);
  });

  it('stays unknown when the posted labels are wrong, and the error names the line', async () => {
    service = await startService();
    const response = await service.post('/labels', `${JSON.stringify(foreign)}\n{"chosen": "x"}\n`);
    expect(response.status).toBe(400);
    expect(await response.text()).toMatch(/Line 2 .*conversation/);
    await expect(ask(foreign, 'A')).rejects.toMatchObject({ status: 422 });
    expect((await service.stats()).labels).toBe(0);
  });
});
