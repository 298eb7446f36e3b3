/** Accuracy against what is spent on a judgement: the number of samples, the completion budget. */
import { expectedVote } from '../../../../benchmarks/index.js';
import { count, interval, percent } from '../format.js';
import { html } from '../html.js';
import type { Html } from '../html.js';
import { lineChart } from '../svg/line-chart.js';
import { systemColor } from '../theme.js';
import { costOf } from './breakdown.js';
import type { BenchmarkReportData, JudgedBenchmark } from './data.js';
import { BENCHMARK_TITLES, nameOf } from './data.js';

/**
 * Mean outcome of a vote of 1, 2, … all samples of one set; undefined where there is but one sample. Votes that are sums
 * of scores cannot be made again from verdicts: their curve has to be given.
 */
export function accuracyByVotes({
  accuracyByVotes: given,
  records,
  protocol,
}: JudgedBenchmark): readonly number[] | undefined {
  if (given) return given;
  const most = records[0]?.votes?.length ?? 0;
  if (most < 2 || protocol?.judge.kind === 'pointwise') return undefined;
  if (records.some(({ votes }) => votes?.length !== most)) return undefined;
  return Array.from({ length: most }, (_, index) => {
    const sum = records.reduce((total, { votes, gold }) => total + expectedVote(votes!, gold, index + 1), 0);
    return sum / records.length;
  });
}

export function votesSection(data: BenchmarkReportData): Html | false {
  const curves = data.evaluations.flatMap((one) => {
    const curve = accuracyByVotes(one);
    return curve ? [{ one, curve }] : [];
  });
  if (curves.length === 0) return false;
  return html`<h2 id="votes">Accuracy by votes</h2>
    <p class="lead">
      Expected share of right judgements where so many samples vote, over all sets of that size out of those
      that were drawn; a tied vote counts one half.
    </p>
    <div class="grid2">
      ${curves.map(
        ({ one, curve }) =>
          html`<figure class="card" style="margin: 0">
            <h3>${nameOf(one, data)}</h3>
            ${lineChart({
              title: `Accuracy by votes, ${nameOf(one, data)}`,
              unit: 'percent',
              xLabel: 'votes',
              series: [
                { color: 'c-2', points: curve.map((share, index) => ({ x: index + 1, y: 100 * share })) },
              ],
              format: (value) => value.toFixed(1),
            })}
            ${pointsTable(
              'Votes',
              curve.map((share, index) => [String(index + 1), percent(share)]),
            )}
          </figure>`,
      )}
    </div>`;
}

function pointsTable(name: string, rows: readonly (readonly [string, string])[]): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${name}">
    <table class="dense">
      <thead>
        <tr>
          <th>${name}</th>
          ${rows.map(([label]) => html`<th>${label}</th>`)}
        </tr>
      </thead>
      <tbody>
        <tr>
          <td>Accuracy</td>
          ${rows.map(([, value]) => html`<td>${value}</td>`)}
        </tr>
      </tbody>
    </table>
  </div>`;
}

interface BudgetCurve {
  name: string;
  /** By rising budget. */
  points: { budget: number; one: JudgedBenchmark }[];
}

/** Evaluations of one judge on one benchmark that differ in their completion budget. */
export function budgetCurves({ evaluations }: BenchmarkReportData): BudgetCurve[] {
  const groups = new Map<string, BudgetCurve>();
  for (const one of evaluations) {
    const { protocol, score } = one;
    if (protocol?.sampling === undefined) continue;
    const name = `${BENCHMARK_TITLES[score.benchmark]} · ${protocol.judge.label}`;
    const group = groups.get(name) ?? { name, points: [] };
    group.points.push({ budget: protocol.sampling.maxTokens, one });
    groups.set(name, group);
  }
  return [...groups.values()]
    .filter(({ points }) => new Set(points.map(({ budget }) => budget)).size > 1)
    .map(({ name, points }) => ({ name, points: points.sort((a, b) => a.budget - b.budget) }));
}

export function budgetSection(data: BenchmarkReportData): Html | false {
  const curves = budgetCurves(data);
  if (curves.length === 0) return false;
  return html`<h2 id="budgets">Completion budget</h2>
    <p class="lead">
      The same items with other limits on what a judge may write; a judgement that the limit cut off before
      its verdict is wrong.
    </p>
    ${curves.map(
      ({ name, points }, index) =>
        html`<figure class="card" style="margin: 0 0 14px">
          <h3>${name}</h3>
          ${lineChart({
            title: `Score by completion budget, ${name}`,
            unit: 'percent',
            xLabel: 'tokens',
            series: [
              {
                color: systemColor(index, curves.length),
                points: points.map(({ budget, one }) => ({ x: budget, y: 100 * one.score.score })),
              },
            ],
            format: (value) => value.toFixed(1),
          })}
          ${budgetTable(points)}
        </figure>`,
    )}`;
}

function budgetTable(points: BudgetCurve['points']): Html {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Completion budgets">
    <table class="dense">
      <thead>
        <tr>
          <th>Budget in tokens</th>
          <th>Score</th>
          <th>95 %</th>
          <th>Tokens written</th>
          <th>Cut off</th>
        </tr>
      </thead>
      <tbody>
        ${points.map(({ budget, one }) => {
          const { outputTokens, cutOff } = costOf(one);
          return html`<tr>
            <td>${count(budget)}</td>
            <td>${percent(one.score.score)}</td>
            <td>${interval(one.score)}</td>
            <td>${outputTokens === undefined ? '–' : count(outputTokens)}</td>
            <td>${cutOff === undefined ? '–' : `${percent(cutOff)} %`}</td>
          </tr>`;
        })}
      </tbody>
    </table>
  </div>`;
}
