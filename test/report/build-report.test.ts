import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { buildReport, terminalTable } from '../../activities/evaluation/report/index.js';
import type { ReportData } from '../../activities/evaluation/report/index.js';
import { sampleReport } from './sample-report.js';

let data: ReportData;
let page: string;
beforeAll(() => {
  data = sampleReport();
  page = buildReport(data).html;
});

const VOID = new Set(['meta', 'br', 'img', 'input', 'hr', 'link']);

/** Tags left open, or closed in the wrong order: none in a well-formed page. */
function unbalanced(html: string): string[] {
  const open: string[] = [];
  const wrong: string[] = [];
  for (const [, slash, tag = '', attributes = ''] of html.matchAll(
    /<(\/?)([a-z][a-z0-9]*)((?:"[^"]*"|[^">])*)>/gi,
  )) {
    if (slash) {
      if (open.pop() !== tag) wrong.push(`</${tag}>`);
    } else if (!VOID.has(tag) && !attributes.endsWith('/')) open.push(tag);
  }
  return [...wrong, ...open];
}

/** The text of the page's elements, as a reader sees it. */
function textOf(html: string): string {
  return html
    .replace(/<style>[\s\S]*?<\/style>/, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&amp;/g, '&')
    .replace(/\s+/g, ' ');
}

describe('the page', () => {
  it('asks nobody for anything: no script, no link, no image, no font', () => {
    expect(page).not.toMatch(/<script|<link|<img|<iframe|<object|@import|url\(|\ssrc=|javascript:/i);
    expect(page).toContain('content="default-src &#39;none&#39;');
    expect([...page.matchAll(/href="([^"]*)"/g)].every(([, target]) => target?.startsWith('#'))).toBe(true);
  });

  it('is well-formed, and its contents list leads to sections that are there', () => {
    expect(unbalanced(page)).toEqual([]);
    const targets = [...page.matchAll(/href="#([^"]*)"/g)].map(([, id]) => id);
    expect(targets.length).toBeGreaterThan(8);
    for (const id of targets) expect(page).toContain(`id="${id}"`);
  });

  it('holds no number that is not one', () => {
    expect(textOf(page)).not.toMatch(/NaN|undefined|Infinity|\[object/);
    expect(page).not.toMatch(/="[^"]*(NaN|undefined|Infinity)[^"]*"/);
  });

  it('says beside the tables which data its numbers are about', () => {
    expect(textOf(page).split(data.world.label).length - 1).toBeGreaterThanOrEqual(6);
  });

  it('shows the accuracies, comparisons and notes of the data', () => {
    const text = textOf(page);
    for (const { label, accuracy, position } of data.systems) {
      expect(text).toContain(label);
      for (const { score } of accuracy.sections) expect(text).toContain((100 * score.accuracy).toFixed(1));
      expect(text).toContain((100 * accuracy.average.accuracy).toFixed(1));
      expect(text).toContain(`${(100 * position.rightInBoth.share).toFixed(1)} %`);
    }
    for (const { fixed, broken } of data.comparisons)
      expect(text).toMatch(new RegExp(` ${fixed} ${broken} `));
    for (const note of [...data.taught, ...(data.methods ?? []), ...(data.limits ?? [])])
      expect(text).toContain(note);
  });

  it('is the same for the same data', () => {
    expect(buildReport(sampleReport()).html).toBe(page);
  });
});

describe('text of strangers', () => {
  const hostile = `</style></title><script>alert(1)</script><img src=x onerror=alert(2)> " onload="x' & <b>`;

  /** Every string of the data replaced, but for those that the types restrict. */
  function poison<T>(value: T, text: string, key = ''): T {
    const fixed = [
      'kind',
      'gold',
      'verdict',
      'role',
      'startedAt',
      'finishedAt',
      'sha256',
      'id',
      'from',
      'to',
      'system',
    ];
    if (typeof value === 'string') return (fixed.includes(key) ? value : text) as T;
    if (Array.isArray(value)) return value.map((item: unknown) => poison(item, text, key)) as T;
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(
        Object.entries(value).map(([name, item]) => [name, poison(item, text, name)]),
      ) as T;
    return value;
  }

  it('never becomes markup, wherever it stands', () => {
    const { html } = buildReport(poison(data, hostile));
    expect(html).not.toMatch(/<script|<img/i);
    expect(unbalanced(html)).toEqual([]);
    expect(textOf(html)).toContain(hostile);
  });

  it('never becomes markup, whatever it is', () => {
    const small: ReportData = { ...data, curves: {}, examples: data.examples.slice(0, 2) };
    const tags = (html: string) => [...html.matchAll(/<([a-z][a-z0-9]*)/gi)].map(([, tag]) => tag).join(' ');
    const harmless = tags(buildReport(poison(small, 'x')).html);
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }), (text) => {
        fc.pre(
          text.trim() !== '' &&
            !/<\/?(type|rubric|justify|solution|eval|answer|quote_.|summary_.)>/.test(text),
        );
        // Text with a slash is split into section and category, and then gives other cells.
        fc.pre(!text.includes('/'));
        expect(tags(buildReport(poison(small, text)).html)).toBe(harmless);
      }),
      { numRuns: 40 },
    );
  });
});

describe('a run that lacks something', () => {
  const bare = (): ReportData => {
    const { distillation: _, methods: __, limits: ___, ...rest } = data;
    return { ...rest, systems: [], comparisons: [], curves: {}, examples: [], stages: [], taught: [] };
  };

  it('still gives a whole page', () => {
    for (const sparse of [bare(), { ...bare(), systems: data.systems.slice(0, 1) }]) {
      const { html } = buildReport(sparse);
      expect(unbalanced(html)).toEqual([]);
      expect(textOf(html)).not.toMatch(/NaN|undefined|Infinity/);
    }
    expect(terminalTable(bare())).toBe('No judge was evaluated.');
  });

  it('with one section has one column, not the same numbers twice', () => {
    const [system] = data.systems;
    const only = {
      ...system!,
      accuracy: { ...system!.accuracy, sections: system!.accuracy.sections.slice(0, 1) },
    };
    const { html } = buildReport({ ...bare(), systems: [only] });
    expect(textOf(html)).toMatch(/System All/);
    expect(terminalTable({ ...bare(), systems: [only] })).toMatch(/│ +│ +All │ Style hard │/);
  });

  it('with curves of one point, of steps that are not finite, or of one level is drawn', () => {
    const step = { step: 1, tokens: 1, seconds: 1, learningRate: 1, gradNorm: 1, loss: 2 };
    for (const base of [
      [step],
      [step, { ...step, step: 2 }],
      [step, { ...step, step: 2, loss: Number.NaN }],
    ]) {
      const { html } = buildReport({ ...bare(), curves: { base } });
      expect(html).not.toMatch(/NaN|Infinity/);
      expect(html).toContain('<svg');
    }
  });
});

describe('the JSON report', () => {
  it('holds the same numbers: a page built from it is the same page', () => {
    const { json } = buildReport(data);
    const read = JSON.parse(json) as ReportData & { schema: string; notes: { limits: string[] } };
    expect(read.schema).toBe('rmr1-report/1');
    expect(read.notes.limits.length).toBeGreaterThan(1);
    expect(buildReport(read).html).toBe(page);
  });
});

describe('the terminal table', () => {
  it.each([{ ascii: false }, { ascii: true }])('has straight edges (%j)', (options) => {
    const text = terminalTable(data, options);
    const framed = text.split('\n').filter((line) => /^[┌├└│+|]/.test(line));
    expect(framed.length).toBe(3 + 3 * data.systems.length);
    expect(new Set(framed.map((line) => [...line].length)).size).toBe(1);
    if (options.ascii) expect(text).toMatch(/^[\n\x20-\x7e]*$/);
  });

  it('names its data, every system with its numbers, and the comparisons', () => {
    const text = terminalTable(data);
    expect(text).toContain(data.world.label);
    expect(text).toContain('Chat Hard');
    for (const { label, accuracy } of data.systems) {
      expect(text).toContain(label);
      expect(text).toContain((100 * accuracy.average.accuracy).toFixed(1));
    }
    expect(text).toMatch(/GRPO against SFT: \+\d+\.\d points \(.* to .*\), \d+ fixed, \d+ broken, p [=<] /);
  });
});
