/** The page of benchmark evaluations: what it says, and that data cannot become markup. */
import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  agreement,
  costOf,
  lengthLabel,
  sharesBy,
} from '../../activities/evaluation/report/benchmark/breakdown.js';
import { browserData } from '../../activities/evaluation/report/benchmark/browser-data.js';
import { buildBenchmarkReport } from '../../activities/evaluation/report/benchmark/build.js';
import { accuracyByVotes, budgetCurves } from '../../activities/evaluation/report/benchmark/curves.js';
import type { BenchmarkReportData } from '../../activities/evaluation/report/benchmark/data.js';
import { PUBLISHED_SYSTEMS } from '../../benchmarks/index.js';
import { HOSTILE, sampleBenchmarks } from './sample-benchmark.js';

let data: BenchmarkReportData;
let page: string;
beforeAll(() => {
  data = sampleBenchmarks();
  page = buildBenchmarkReport(data);
});

describe('the page', () => {
  it('runs its own script only, by hash, and loads nothing', () => {
    const [, script = ''] = /<script>([\s\S]*?)<\/script>/.exec(page)!;
    const hash = createHash('sha256').update(script).digest('base64');
    expect(page).toContain(`script-src &#39;sha256-${hash}&#39;`);
    // The data holds a stranger's markup, escaped.
    const markup = page.replace(/id="judgements-data">[\s\S]*?<\/script>/, '');
    expect(markup).not.toMatch(/<link|<iframe|@import|url\(|\ssrc=|javascript:/i);
    expect(page.match(/<script/g)).toHaveLength(2);
  });

  it('keeps strangers’ words words', () => {
    expect(page).not.toContain(HOSTILE);
    expect(page).not.toContain('Contrary <i>');
    const [, json = ''] = /id="judgements-data">([\s\S]*?)<\/script>/.exec(page)!;
    expect(JSON.stringify(JSON.parse(json))).toContain('onerror=');
  });

  it('has every section, and no number that is none', () => {
    for (const id of [
      'results',
      'sections',
      'bands',
      'position',
      'votes',
      'calibration',
      'categories',
      'lengths',
      'cost',
      'judgements',
      'scope',
      'protocol',
    ]) {
      expect(page).toContain(`id="${id}"`);
      expect(page).toContain(`href="#${id}"`);
    }
    expect(page.replace(/<script[\s\S]*?<\/script>/g, '')).not.toMatch(/NaN|undefined|Infinity|\[object/);
  });

  it('shows published systems beside the judges, and marks parts of benchmarks', () => {
    for (const { name } of PUBLISHED_SYSTEMS) expect(page).toContain(name);
    const own = /<tr class="own">[\s\S]*?<\/tr>/.exec(page)![0];
    expect(own).toContain('Badger');
    expect(own.match(/\*<\/b>/g)).toHaveLength(4);
    expect(page).toContain('not comparable with the published rows');
  });

  it('is the same for the same data', () => {
    expect(buildBenchmarkReport(sampleBenchmarks())).toBe(page);
  });

  it('leaves out what a bare verdict file cannot tell', () => {
    const [{ score, records }] = data.evaluations as [BenchmarkReportData['evaluations'][number]];
    const bare = records.map(({ benchmark, subset, id, gold, verdict }) => ({
      benchmark,
      subset,
      id,
      gold,
      verdict,
    }));
    const small = buildBenchmarkReport({ ...data, evaluations: [{ judge: 'x', score, records: bare }] });
    for (const id of ['bands', 'votes', 'budgets', 'calibration', 'lengths', 'cost'])
      expect(small).not.toContain(`id="${id}"`);
    expect(small).toContain('records no protocol');
  });
});

describe('curves', () => {
  it('accuracy by votes comes from one set of samples, a tie counting half', () => {
    const { score } = data.evaluations[0]!;
    const record = {
      benchmark: 'rewardbench',
      subset: 'math-prm',
      id: '1',
      gold: 'A',
      verdict: 'A',
    } as const;
    const records = [{ ...record, votes: ['A' as const, 'A' as const, 'B' as const] }];
    const curve = accuracyByVotes({ judge: 'x', score, records });
    // One of three drawn is right in 2 of 3; two of three agree once and tie twice.
    expect(curve).toEqual([2 / 3, (1 + 0.5 + 0.5) / 3, 1]);
    expect(accuracyByVotes({ judge: 'x', score, records: [{ ...record, votes: ['A'] }] })).toBeUndefined();
    expect(accuracyByVotes({ judge: 'x', score, records, accuracyByVotes: [0.5, 0.75] })).toEqual([
      0.5, 0.75,
    ]);
  });

  it('budgets of one judge on one benchmark are drawn by rising budget; other judges stay apart', () => {
    const [one] = data.evaluations as [BenchmarkReportData['evaluations'][number]];
    const withBudget = (maxTokens: number, label = 'Badger') => ({
      ...one,
      judge: `${label}, ${maxTokens} tokens`,
      protocol: {
        ...one.protocol!,
        judge: { ...one.protocol!.judge, label },
        sampling: { temperature: 0, topP: 1, maxTokens, votes: 1 },
      },
    });
    const several = { ...data, evaluations: [withBudget(2048), withBudget(512), withBudget(512, 'Other')] };
    const curves = budgetCurves(several);
    expect(curves.map(({ points }) => points.map(({ budget }) => budget))).toEqual([[512, 2048]]);
    const html = buildBenchmarkReport(several);
    expect(html).toContain('id="budgets"');
    expect(html).toContain('2,048');
  });
});

describe('breakdowns', () => {
  it('published averages are the means of their rows', () => {
    for (const { name, average, ...row } of PUBLISHED_SYSTEMS) {
      if (average === undefined) continue;
      const mean = (row.rewardbench + row['rm-bench']! + row.rmb) / 3;
      expect(Math.abs(mean - average), name).toBeLessThan(0.11);
    }
  });

  it('lengths, votes and costs', () => {
    expect([
      lengthLabel(1, 10),
      lengthLabel(8, 10),
      lengthLabel(10, 10),
      lengthLabel(15, 10),
      lengthLabel(30, 10),
    ]).toEqual([
      'better answer less than half as long',
      'shorter',
      'about as long (±10 %)',
      'longer',
      'more than twice as long',
    ]);
    const { records } = data.evaluations[0]!;
    expect(agreement({ ...records[0]!, verdict: 'A', votes: ['A', 'B', 'A', 'none'] })).toBe(0.5);
    expect(agreement({ ...records[0]!, votes: ['A'] })).toBeUndefined();
    expect(costOf({ records })).toMatchObject({ outputTokens: 50, cutOff: 1 / 80 });
    const shares = sharesBy(records, ({ subset }) => subset);
    expect([...shares.values()].map(({ count }) => count)).toEqual([20, 20, 20, 20]);
  });

  it('a page too large for all texts keeps those of the wrong judgements', () => {
    const few = browserData(data, 2_000);
    expect(few.rows).toHaveLength(browserData(data).rows.length);
    expect(few.without).toBeGreaterThan(0);
    const first = few.rows.filter(({ e }) => e === 0);
    const withText = (right: boolean) =>
      first.filter(({ result, text }) => (result === 'right') === right && text).length;
    expect(withText(false)).toBeGreaterThan(0);
    expect(withText(true)).toBe(0);
  });
});
