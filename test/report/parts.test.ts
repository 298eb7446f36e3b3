import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { duration, orderSections, points, pValue, usd } from '../../activities/evaluation/report/format.js';
import { escapeHtml, html } from '../../activities/evaluation/report/html.js';
import { compareSystems, pickExamples, summariseSystem } from '../../activities/evaluation/report/index.js';
import type { JudgedSystem } from '../../activities/evaluation/report/index.js';
import { movingAverage } from '../../activities/evaluation/report/svg/line-chart.js';
import { niceScale } from '../../activities/evaluation/report/svg/scale.js';
import { traceParts, traceView } from '../../activities/evaluation/report/trace-view.js';
import type { TracePart } from '../../activities/evaluation/report/trace-view.js';
import type { Judgement } from '../../benchmarks/index.js';
import type { Pair } from '../../judge/pair.js';

describe('a judgement taken apart', () => {
  const write = (parts: TracePart[]): string =>
    parts
      .map((part) =>
        part.tag === undefined
          ? part.text
          : `<${part.tag}>${write(part.parts)}${part.closed ? `</${part.tag}>` : ''}`,
      )
      .join('');

  it('never loses text, however the tags stand', () => {
    const token = fc.constantFrom(
      '<rubric>',
      '</rubric>',
      '<eval>',
      '</eval>',
      '<quote_A>',
      '</quote_A>',
      '<answer>',
      ' a ',
      '<b>',
      '[[A]]',
    );
    fc.assert(
      fc.property(
        fc.array(token).map((tokens) => tokens.join('')),
        (text) => {
          expect(write(traceParts(text))).toBe(text);
        },
      ),
    );
  });

  it('keeps quotes inside the evaluation and shows labels for tags', () => {
    const text =
      '<type> Chat </type> <rubric> tone 70 <justify> polite </justify> </rubric> <eval> <quote_A> thanks </quote_A> ok </eval> <answer> [[A]] </answer>';
    const view = traceView(text).markup;
    for (const label of ['Kind of task', 'Rubric', 'Evaluation', 'Verdict'])
      expect(view).toContain(`<h5>${label}</h5>`);
    expect(view).toMatch(/<q class="cite"\s*><b class="who">A<\/b>/);
    expect(view).not.toContain('&lt;');
  });

  it('shows unknown tags and plain text as they are, escaped', () => {
    expect(traceView('I think <think>A</think> & [[A]]').markup).toContain(
      'I think &lt;think&gt;A&lt;/think&gt; &amp; [[A]]',
    );
    expect(traceView('  ').markup).toContain('empty output');
  });
});

describe('escaping', () => {
  it('leaves no character that could open markup, and only markup built here stays', () => {
    expect(escapeHtml(`<a href="x" id='y'>&\u0000`)).toBe(
      '&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;\ufffd',
    );
    expect(html`<p>${'<b>'}${html`<i>${1}</i>`}${[false, null, undefined, 'x']}</p>`.markup).toBe(
      '<p>&lt;b&gt;<i>1</i>x</p>',
    );
  });
});

describe('numbers', () => {
  it('are written as people read them', () => {
    expect([0.0234, -0.0234, 0.0001, -0.0004].map(points)).toEqual(['+2.3', '\u22122.3', '0.0', '0.0']);
    expect([0.5, 0.0216, 0.0004].map(pValue)).toEqual(['0.500', '0.022', '<\u00a00.001']);
    expect([0.42, 9.97, 59.6, 75.2, 3725].map(duration)).toEqual([
      '0.4 s',
      '10 s',
      '1 min 0 s',
      '1 min 15 s',
      '1 h 2 min',
    ]);
    expect([0, 0.00123, 1.8342].map(usd)).toEqual(['$0', '$0.00123', '$1.83']);
  });
  it('sections stand in the order of RewardBench, then by name', () => {
    expect(orderSections(['zeta', 'safety', 'chat', 'alpha', 'reasoning', 'chat-hard', 'chat'])).toEqual([
      'chat',
      'chat-hard',
      'safety',
      'reasoning',
      'alpha',
      'zeta',
    ]);
  });
});

describe('charts', () => {
  it('an axis holds all its values and has few round ticks', () => {
    const value = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(value, value, (a, b) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        fc.pre(high === low || high - low > 1e-9 * Math.max(1, Math.abs(high), Math.abs(low)));
        const scale = niceScale(low, high, 0, 100);
        const slack = 1e-6;
        expect(scale.at(low)).toBeGreaterThanOrEqual(-slack);
        expect(scale.at(high)).toBeLessThanOrEqual(100 + slack);
        expect(scale.ticks.length).toBeGreaterThanOrEqual(2);
        expect(scale.ticks.length).toBeLessThanOrEqual(8);
      }),
    );
  });
  it('a moving average keeps a level, and the middle of a slope', () => {
    const line = Array.from({ length: 9 }, (_, x) => ({ x, y: 2 * x }));
    expect(movingAverage(line, 3)[4]).toEqual({ x: 4, y: 8 });
    expect(
      movingAverage(
        line.map(({ x }) => ({ x, y: 5 })),
        5,
      ).every(({ y }) => y === 5),
    ).toBe(true);
  });
});

describe('examples', () => {
  const pairs: Pair[] = Array.from({ length: 30 }, (_, i) => ({
    id: `p${i}`,
    conversation: [{ role: 'user', content: `q${i}` }],
    chosen: 'good',
    rejected: 'bad',
    category: ['chat/tone', 'safety/refuse', 'reasoning/add'][i % 3] ?? '',
    styles: { chosen: i % 2, rejected: 1 },
  }));
  const judge = (id: string, right: (index: number) => boolean): JudgedSystem => ({
    id,
    label: id,
    judgements: pairs.flatMap(({ id: pairId, category, styles }, index) =>
      (['A', 'B'] as const).map((gold): Judgement => {
        const verdict = right(index) ? gold : gold === 'A' ? 'B' : 'A';
        return {
          pairId,
          category,
          gold,
          verdict,
          ...(styles && { styles }),
          promptSha256: '',
          text: verdict,
          tokens: 1,
          finished: true,
        };
      }),
    ),
  });
  const systems = [
    judge('base', (i) => i % 2 === 1),
    judge('sft', (i) => i % 5 !== 0),
    judge('grpo', (i) => i % 7 !== 0),
  ];

  it('are drawn by the seed, no pair twice, from different sections', () => {
    const examples = pickExamples(systems, pairs, 1);
    expect(pickExamples(systems, [...pairs].reverse(), 1)).toEqual(examples);
    expect(pickExamples(systems, pairs, 2)).not.toEqual(examples);
    expect(new Set(examples.map(({ pairId }) => pairId)).size).toBe(examples.length);
    for (const kind of ['right', 'wrong'] as const) {
      const sections = examples
        .filter((one) => one.kind === kind)
        .map(({ category }) => category.split('/')[0]);
      expect(new Set(sections).size).toBe(3);
    }
  });

  it('are what they are called, with the answers where the judge saw them', () => {
    for (const { kind, judgements, styles, gold, answerA, answerB } of pickExamples(systems, pairs, 1)) {
      expect(gold === 'A' ? [answerA, answerB] : [answerB, answerA]).toEqual(['good', 'bad']);
      expect(judgements.at(-1)).toMatchObject({ system: 'grpo', right: kind !== 'wrong' });
      if (kind !== 'trap') continue;
      expect(styles!.rejected).toBeGreaterThan(styles!.chosen);
      expect(judgements.map(({ system }) => system)).toEqual(['base', 'sft', 'grpo']);
      expect(judgements[0]?.right).toBe(false);
    }
    expect(pickExamples(systems, pairs, 1).filter(({ kind }) => kind === 'trap')).toHaveLength(2);
  });

  it('comparisons run from the newest step to the oldest, then over all', () => {
    expect(compareSystems(systems).map(({ from, to }) => `${from} ${to}`)).toEqual([
      'sft grpo',
      'base sft',
      'base grpo',
    ]);
    expect(compareSystems(systems.slice(0, 1))).toEqual([]);
  });

  it('a system is summed up with its style matrix where styles are known', () => {
    const row = summariseSystem(systems[0]!);
    expect(row).toMatchObject({ id: 'base', meanTokens: 1, unfinished: 0 });
    expect(row.matrix?.bands.hard?.accuracy).toBe(0);
    expect(row.matrix?.bands.normal?.accuracy).toBe(1);
  });
});
