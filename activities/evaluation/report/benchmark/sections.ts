import { STYLE_BANDS } from '../../../../benchmarks/index.js';
import type { BenchmarkScore, DomainScore, Share } from '../../../../benchmarks/index.js';
import { count, interval, percent, titleOf } from '../format.js';
import { html } from '../html.js';
import type { Html } from '../html.js';
import { intervalPlot } from '../svg/interval-plot.js';
import type { IntervalRow } from '../svg/interval-plot.js';
import { systemColor } from '../theme.js';
import type { BenchmarkReportData, JudgedBenchmark } from './data.js';
import { BENCHMARK_TITLES, judgesOf, nameOf } from './data.js';

type Sectioned = Exclude<BenchmarkScore, { benchmark: 'rm-bench' }>;
type RmBench = Extract<BenchmarkScore, { benchmark: 'rm-bench' }>;

/** Sections of RewardBench and RMB with their intervals, one mark a judge. */
export function sectionBars(data: BenchmarkReportData): Html | false {
  const plots = (['rewardbench', 'rmb'] as const).flatMap((benchmark) => {
    const scores = data.evaluations.flatMap(({ judge, score }) =>
      score.benchmark === benchmark ? [{ judge, score }] : [],
    ) as { judge: string; score: Sectioned }[];
    return scores.length > 0 ? [{ benchmark, scores }] : [];
  });
  if (plots.length === 0) return false;
  const judges = judgesOf(data);
  return html`<h2 id="sections">Sections</h2>
    <p class="lead">Accuracy by section, in percent, with 95 % intervals. Dashed: chance for a pair.</p>
    ${plots.map(
      ({ benchmark, scores }) =>
        html`<figure class="card" style="margin: 0 0 14px">
          <h3>${BENCHMARK_TITLES[benchmark]}</h3>
          <div
            class="scroll"
            tabindex="0"
            role="region"
            aria-label="Sections of ${BENCHMARK_TITLES[benchmark]}"
          >
            ${intervalPlot(`${BENCHMARK_TITLES[benchmark]} by section with 95 % intervals`, rowsOf(scores, judges))}
          </div>
          ${legend(judges)}
        </figure>`,
    )}`;
}

function rowsOf(scores: { judge: string; score: Sectioned }[], judges: string[]): IntervalRow[] {
  const names = [...new Set(scores.flatMap(({ score }) => Object.keys(score.sections)))];
  const mark = (judge: string, { accuracy, low, high }: Pick<Share, 'accuracy' | 'low' | 'high'>) => ({
    value: accuracy,
    low,
    high,
    label: judge,
    color: systemColor(judges.indexOf(judge), judges.length),
  });
  return [
    ...names.map((name) => ({
      name: shortName(name),
      marks: scores.flatMap(({ judge, score }) => {
        const section = (score.sections as Record<string, Share | undefined>)[name];
        return section ? [mark(judge, section)] : [];
      }),
    })),
    {
      name: 'Score',
      strong: true,
      marks: scores.map(({ judge, score }) =>
        mark(judge, { accuracy: score.score, low: score.low, high: score.high }),
      ),
    },
  ];
}

/** Fits the margin of the plot. */
function shortName(name: string): string {
  return name
    .replace('pairwise-', 'Pairs, ')
    .replace('bon-', 'Lists, ')
    .replace('fulness', 'f.')
    .replace('lessness', 'l.');
}

function legend(judges: string[]): Html | false {
  if (judges.length < 2) return false;
  return html`<figcaption>
    ${judges.map(
      (judge, index) =>
        html`<span style="margin-right: 18px"
          ><span class="swatch ${systemColor(index, judges.length)}"></span>${judge}</span
        >`,
    )}
  </figcaption>`;
}

/** RM-Bench: does substance win when style speaks for the other answer? */
export function bandsSection(data: BenchmarkReportData): Html | false {
  const evaluations = data.evaluations.filter(({ score }) => score.benchmark === 'rm-bench');
  if (evaluations.length === 0) return false;
  return html`<h2 id="bands">RM-Bench: easy, normal, hard</h2>
    <p class="lead">
      Easy: the better answer is also the more elaborate one. Normal: both have the same style. Hard: the
      worse answer is the more elaborate one. A judge that follows style has a wide gap between easy and hard.
    </p>
    ${evaluations.map((one) => bandsCard(one, data))}`;
}

function bandsCard(one: JudgedBenchmark, data: BenchmarkReportData): Html {
  const score = one.score as RmBench;
  const row = (name: string, part: Partial<DomainScore>, judged: number) =>
    html`<tr class="${name === 'All' ? 'total' : ''}">
      <td>${name}</td>
      ${STYLE_BANDS.map((band) => barCell(part[band]))}
      <td>${part.average === undefined ? '–' : percent(part.average)}</td>
      <td>${count(judged)}</td>
    </tr>`;
  const domains = Object.entries(score.domains);
  return html`<div class="card" style="margin-bottom: 14px">
    <h3>${nameOf(one, data)}</h3>
    <div class="scroll" tabindex="0" role="region" aria-label="Easy, normal and hard">
      <table class="dense">
        <thead>
          <tr>
            <th>Domain</th>
            ${STYLE_BANDS.map((band) => html`<th class="text">${titleOf(band)}</th>`)}
            <th>Average</th>
            <th>Comparisons</th>
          </tr>
        </thead>
        <tbody>
          ${domains.map(([name, part]) => row(titleOf(name), part, part.count))}
          ${row(
            'All',
            { ...score, average: score.score },
            domains.reduce((sum, [, part]) => sum + part.count, 0),
          )}
        </tbody>
      </table>
    </div>
  </div>`;
}

/** A share as a number over a bar of its length. */
export function barCell(share: number | undefined): Html {
  if (share === undefined) return html`<td class="text">–</td>`;
  return html`<td class="text">
    ${percent(share)}
    <div class="bar"><i style="width: ${(100 * share).toFixed(1)}%"></i></div>
  </td>`;
}

/** Where both orders were judged: does the verdict follow the answers or their places? */
export function positionSection(data: BenchmarkReportData): Html {
  const rows = data.evaluations.map((one) => {
    const decided = one.records.filter(({ verdict }) => verdict === 'A' || verdict === 'B');
    const forA = decided.filter(({ verdict }) => verdict === 'A').length / Math.max(1, decided.length);
    const atA = one.records.filter(({ gold }) => gold === 'A').length / Math.max(1, one.records.length);
    return { one, forA, atA, orders: one.score.orders };
  });
  const share = (value: { share: number; low: number; high: number } | undefined) =>
    value
      ? html`<td>${percent(value.share)}<span class="ci">${interval(value)}</span></td>`
      : html`<td>–</td>`;
  return html`<h2 id="position">Position</h2>
    <p class="lead">
      Verdicts for A against the share of items whose better answer stood at A; a judge that looks at the
      answers only has about the same. Where both orders were judged: how often it is right in both, and how
      often it names the same place in both.
    </p>
    <div class="card">
      <div class="scroll" tabindex="0" role="region" aria-label="Position">
        <table>
          <thead>
            <tr>
              <th>Evaluation</th>
              <th>Says A</th>
              <th>Better at A</th>
              <th>Right in both</th>
              <th>Same place in both</th>
            </tr>
          </thead>
          <tbody>
            ${rows.map(
              ({ one, forA, atA, orders }) =>
                html`<tr>
                  <td>${BENCHMARK_TITLES[one.score.benchmark]} · ${one.judge}</td>
                  <td>${percent(forA)}</td>
                  <td>${percent(atA)}</td>
                  ${share(orders?.rightInBoth)} ${share(orders?.flipped)}
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </div>`;
}
