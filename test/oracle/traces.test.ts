/** What was paid for is kept with the reason why it is no trace; caps and quotas hold to the pair. */
import { MockActivityEnvironment } from '@temporalio/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toLine } from '../../activities/dataset/pair-lines.js';
import type { JudgedShard, TracesInput } from '../../activities/interface.js';
import { filterTraces, hintedLimit, type Trace } from '../../activities/oracle/filter-traces.js';
import type { DistillationStats } from '../../activities/oracle/distillation-stats.js';
import { boundedAnswer, isCorrectable, judgementOf } from '../../activities/oracle/judgement.js';
import { refusalOf, isUnbilled } from '../../activities/oracle/refusals.js';
import { chosen } from '../../activities/oracle/sample-student.js';
import { selector } from '../../activities/oracle/select-pairs.js';
import type { StageOutcome } from '../../activities/stage-outcome.js';
import { splitPairs } from '../../activities/oracle/split-pairs.js';
import { present, type Position, type PresentedPair } from '../../judge/pair.js';
import { loadRecipe } from '../../recipes/load.js';
import { UserError } from '../../workflows/errors.js';
import { useStore } from '../artifacts/shared-store.js';
import { fakeRef } from '../support/fake-activities.js';
import { MemoryStore } from './memory-store.js';

const fixture = useStore();

function pairOf(
  index: number,
  category = 'chat/a',
  gold: Position = index % 2 === 0 ? 'A' : 'B',
): PresentedPair {
  const conversation = [{ role: 'user' as const, content: `question ${index}` }];
  const id = `pair-${String(index).padStart(3, '0')}`;
  return present({ id, conversation, chosen: 'good', rejected: 'bad', category }, gold);
}

const said = (text: string, finishReason = 'stop') => ({
  text,
  finishReason,
  inputTokens: 10,
  outputTokens: 5,
  usd: 0.01,
});
const asked = (pass: 1 | 2) => ({ pass, model: 'm', cached: false });

describe('a judgement', () => {
  const shown = pairOf(0);
  it.each([
    ['right at the end', 'because … <answer>[[A]]</answer>', 'stop', undefined, false],
    ['wrong', '<answer>[[B]]</answer>', 'stop', 'wrong-verdict', true],
    ['right, but long before the end', `[[A]] ${'and so on '.repeat(30)}`, 'stop', 'misplaced-verdict', true],
    ['without a verdict', '{"verdict": "A"}', 'stop', 'unparsable', true],
    ['in another language, with a verdict', 'Ответ A лучше. [[A]]', 'stop', undefined, false],
    ['for both', '[[A]] and [[B]]', 'stop', 'unparsable', true],
    ['cut before its verdict', 'Let me think about', 'length', 'cut', true],
    ['empty', ' \n', 'stop', 'empty', false],
    ['refused', 'I cannot', 'content_filter', 'refused', false],
    ['about a prompt that did not fit', '', 'context_length', 'too-long', false],
    ['of ten megabytes', `${'x'.repeat(10 * 1024 * 1024)}[[A]]`, 'stop', 'oversized', false],
  ])('%s', (_case, text, finishReason, flaw, correctable) => {
    const judgement = judgementOf(shown, asked(1), boundedAnswer(said(text, finishReason)));
    expect(judgement.flaw).toBe(flaw);
    expect(judgement.agreed).toBe(flaw === undefined);
    expect(isCorrectable(judgement)).toBe(correctable);
    expect(judgement.text.length).toBeLessThanOrEqual(256 * 1024);
  });
});

describe('samples of a student', () => {
  const output = (text: string, sample: number) => {
    return { id: 'x', sample, text, promptTokens: 9, tokens: 4, finished: true };
  };
  const right = 'because <answer>[[A]]</answer>';
  const wrong = 'because <answer>[[B]]</answer>';
  it.each([
    ['all right: nothing to learn', [right, right], { agreed: true, mastered: true }],
    [
      'right once: the first right one',
      [wrong, `first ${right}`, right],
      { agreed: true, text: `first ${right}` },
    ],
    ['never right: the pair goes on to the oracle', [wrong, wrong], { agreed: false, flaw: 'wrong-verdict' }],
    ['none, because the prompt does not fit', [], { agreed: false, flaw: 'too-long' }],
  ])('%s', (_case, texts, expected) => {
    const judgement = chosen({ item: pairOf(0), outputs: texts.map(output) });
    expect(judgement).toMatchObject({ model: 'student', pass: 1, usd: 0, ...expected });
    if (!('mastered' in expected)) expect(judgement.mastered).toBeUndefined();
  });
});

describe('an error of the provider', () => {
  const http = (status: number, message: string, code?: string) =>
    new UserError('OracleRejected', 'rejected', {
      cause: Object.assign(new Error(message), { status, code }),
    });
  it.each([
    [
      'OpenAI',
      http(400, "This model's maximum context length is 8192 tokens", 'context_length_exceeded'),
      'context_length',
    ],
    [
      'vLLM',
      http(400, "This model's maximum context length is 4096 tokens. However, you requested 9000"),
      'context_length',
    ],
    ['Anthropic', http(400, 'prompt is too long: 210000 tokens > 200000 maximum'), 'context_length'],
    [
      'Azure',
      http(
        400,
        "The response was filtered due to Azure OpenAI's content management policy",
        'content_filter',
      ),
      'content_filter',
    ],
    ['an unknown model', http(404, 'The model does not exist', 'model_not_found'), undefined],
    ['a bad request', http(400, 'messages: must not be empty'), undefined],
  ])('about one question is an answer of a kind (%s)', (_who, error, finishReason) => {
    expect(refusalOf(error)?.finishReason).toBe(finishReason);
    expect(isUnbilled(error)).toBe(true);
  });
  it('that is silence may have been billed', () => {
    expect(isUnbilled(new UserError('OracleUnreachable', 'timed out', { cause: new Error('timeout') }))).toBe(
      false,
    );
  });
});

describe('the pairs that are sent', () => {
  const { distill } = loadRecipe('quickstart');
  it('are the first ones within every quota that applies, each content once', () => {
    const category = fc.constantFrom('chat', 'chat/a', 'chat/a/x', 'chat/b', 'reasoning/add', 'chatter');
    const quotas = fc.dictionary(fc.constantFrom('chat', 'chat/a', 'reasoning'), fc.nat({ max: 4 }));
    fc.assert(
      fc.property(
        fc.array(category, { maxLength: 40 }),
        quotas,
        fc.integer({ min: 1, max: 30 }),
        (categories, q, most) => {
          const isSent = selector({ ...distill, pairs: most, quotas: q });
          const all = categories.map((name, index) => pairOf(index, name));
          const sent = [...all, ...all].filter((presented) => isSent(presented));
          expect(sent.length).toBeLessThanOrEqual(most);
          expect(new Set(sent).size).toBe(sent.length);
          const within = (name: string) =>
            sent.filter(({ pair }) => `${pair.category}/`.startsWith(`${name}/`)).length;
          for (const [name, cap] of Object.entries(q)) expect(within(name)).toBeLessThanOrEqual(cap);
          // Greedy: what was left out had to be.
          if (sent.length < most)
            for (const presented of all.filter((candidate) => !sent.includes(candidate))) {
              const full = Object.entries(q).some(
                ([name, cap]) => `${presented.pair.category}/`.startsWith(`${name}/`) && within(name) === cap,
              );
              expect(full).toBe(true);
            }
        },
      ),
    );
  });

  it('lie in at most a hundred shards, in their order', async () => {
    const store = new MemoryStore();
    const pairs = fakeRef('pairs');
    const all = Array.from({ length: 1234 }, (_, index) => pairOf(index));
    store.lines.set(pairs.sha256, all.map(toLine));
    const recipe = loadRecipe('quickstart', { 'distill.pairs': 1010, 'distill.shardSize': 3 });
    const { shards, total } = await splitPairs(store.asStore, { recipe, pairs });
    expect(total).toBe(1010);
    expect(shards.length).toBeLessThanOrEqual(100);
    const ids = shards
      .flatMap(({ pairs: { sha256 } }) => store.lines.get(sha256) as { id: string }[])
      .map(({ id }) => id);
    expect(ids).toEqual(all.slice(0, 1010).map(({ pair }) => pair.id));
  });
});

describe('traces', () => {
  /** Pass 1 is right about every third pair, pass 2 mends every other one of the rest. */
  async function distilled(shareMax: number, partial = false) {
    const { store } = fixture;
    const shown = Array.from({ length: 60 }, (_, index) => pairOf((index * 37) % 60));
    const shards: JudgedShard[] = [];
    for (let from = 0; from < 60; from += 25) {
      const here = shown.slice(from, from + 25);
      const first = here.map((presented, index) => {
        const right = index % 3 === 0;
        const verdict = right === (presented.gold === 'A') ? 'A' : 'B';
        return judgementOf(presented, asked(1), said(`first [[${verdict}]]`));
      });
      const second = here
        .filter((_, index) => index % 3 === 1)
        .map((presented) => judgementOf(presented, asked(2), said(`second [[${presented.gold}]]`)));
      shards.push({
        pairs: await store.putLines('pairs', here.map(toLine)),
        firstPass: [await store.putLines('outputs', first)],
        secondPass: [await store.putLines('outputs', second)],
      });
    }
    const input: TracesInput = {
      context: { runId: 'r', startedBy: 'test', notify: [] },
      seed: 1,
      recipe: loadRecipe('quickstart', { 'distill.hintedShareMax': shareMax }),
      pairs: await store.putLines('pairs', shown.map(toLine)),
      shards,
      cost: { usd: 0.8, inputTokens: 1, outputTokens: 1, seconds: 1 },
      ...(partial ? { partial } : {}),
    };
    const filter = (): Promise<StageOutcome> => filterTraces(store, input);
    const outcome = await new MockActivityEnvironment().run<[], StageOutcome, typeof filter>(filter);
    const lines = async (name: string) => {
      const rows: unknown[] = [];
      for await (const row of store.openLines(outcome.outputs[name]!)) rows.push(row);
      return rows;
    };
    const stats = JSON.parse(
      (await store.getBytes(outcome.outputs['stats']!)).toString(),
    ) as DistillationStats;
    return {
      outcome,
      stats,
      traces: (await lines('traces')) as Trace[],
      rejected: (await lines('rejected')) as { pairId: string; reason: string; pass: number }[],
    };
  }

  it('hold the share of hinted ones, sorted by pair, and nothing that was paid for is missing', async () => {
    const { traces, rejected, stats } = await distilled(0.25);
    const direct = traces.filter(({ source }) => source === 'direct').length;
    const hinted = traces.length - direct;
    expect(direct).toBe(22);
    expect(hinted).toBe(hintedLimit(direct, 0.25));
    expect(hinted / traces.length).toBeLessThanOrEqual(0.25);
    expect(traces.map(({ pairId }) => pairId)).toEqual(traces.map(({ pairId }) => pairId).toSorted());
    expect(traces.length + rejected.length).toBe(60 + stats.corrected.asked);
    expect(stats.rejected).toEqual({ 'wrong-verdict': 38, 'hinted-cap': stats.corrected.agreed - hinted });
    expect(stats).toMatchObject({
      judged: 60,
      agreement: 22 / 60,
      traces: { direct, hinted },
      partial: false,
    });
    expect(stats.agreementByCategory).toEqual({ 'chat/a': { judged: 60, agreed: 22 } });
    expect(stats.agreementByLength).toEqual({ '0-249': { judged: 60, agreed: 22 } });
    const { A, B } = stats.agreementByGold;
    expect(A.judged + B.judged).toBe(60);
    expect(A.agreed + B.agreed).toBe(22);
    expect(stats.costPerTraceUsd).toBeCloseTo(0.8 / traces.length);
  });

  it('of a run that went on without the rest are never taken for the whole', async () => {
    const whole = await distilled(0.5);
    const partial = await distilled(0.5, true);
    expect(partial.outcome.key).not.toBe(whole.outcome.key);
    expect(partial.stats.partial).toBe(true);
    expect((await distilled(0.5)).outcome).toMatchObject({ key: whole.outcome.key, reused: true });
  });
});
