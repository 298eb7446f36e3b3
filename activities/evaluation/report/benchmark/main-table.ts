import { BENCHMARKS, PUBLISHED_SYSTEMS } from '../../../../benchmarks/index.js';
import type { BenchmarkScore } from '../../../../benchmarks/index.js';
import { count, interval, percent } from '../format.js';
import { html } from '../html.js';
import type { Html } from '../html.js';
import type { BenchmarkReportData } from './data.js';
import { BENCHMARK_TITLES, judgesOf } from './data.js';

/** The main table of the paper with the judges' own rows beside the published ones. */
export function mainTable(data: BenchmarkReportData): Html {
  const judges = judgesOf(data);
  const partial = data.evaluations.some(({ score }) => isPartial(score));
  return html`<h2 id="results">Results</h2>
    <p class="lead">
      Scores in percent by each benchmark’s own rule, with 95 % intervals for the judges evaluated here. The
      other rows are as published (RM-R1, arXiv 2505.02387).
      ${partial && html`<b>*</b> Not the whole benchmark was judged: not comparable with the published rows.`}
    </p>
    <div class="card">
      <div class="scroll" tabindex="0" role="region" aria-label="Main table">
        <table class="dense">
          <thead>
            <tr>
              <th>System</th>
              <th class="text">Kind</th>
              ${BENCHMARKS.map((name) => html`<th>${BENCHMARK_TITLES[name]}</th>`)}
              <th class="avg">Average</th>
            </tr>
          </thead>
          <tbody>
            ${judges.map((judge) => judgeRow(data, judge))}
            ${PUBLISHED_SYSTEMS.map(
              (system) =>
                html`<tr>
                  <td class="system">${system.name}</td>
                  <td class="text muted">${system.kind}</td>
                  ${BENCHMARKS.map((name) => html`<td>${system[name]?.toFixed(1) ?? '–'}</td>`)}
                  <td class="avg">${system.average?.toFixed(1) ?? '–'}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </div>`;
}

function judgeRow(data: BenchmarkReportData, judge: string): Html {
  const scores = BENCHMARKS.map(
    (name) => data.evaluations.find((one) => one.judge === judge && one.score.benchmark === name)?.score,
  );
  const whole = scores.filter((score) => score !== undefined);
  const average =
    whole.length === BENCHMARKS.length
      ? whole.reduce((sum, { score }) => sum + score, 0) / whole.length
      : undefined;
  const kind = data.evaluations.find((one) => one.judge === judge)?.protocol?.judge.kind;
  return html`<tr class="own">
    <td class="system"><b>${judge}</b></td>
    <td class="text muted">${kind ?? 'this evaluation'}</td>
    ${scores.map((score) =>
      score
        ? html`<td>
            <b>${percent(score.score)}${isPartial(score) && '*'}</b><span class="ci">${interval(score)}</span>
          </td>`
        : html`<td>–</td>`,
    )}
    <td class="avg">
      ${average === undefined ? '–' : html`<b>${percent(average)}${whole.some(isPartial) && '*'}</b>`}
    </td>
  </tr>`;
}

/** Short of the published benchmark, whatever the data that was asked for. */
function isPartial(score: BenchmarkScore): boolean {
  return score.missing > 0 || score.items < PUBLISHED_ITEMS[score.benchmark];
}

const PUBLISHED_ITEMS = { rewardbench: 2_985, 'rm-bench': 11_943, rmb: 25_845 } as const;

/** Items judged and missing, errors and ties, and the rules that were applied. */
export function scopeSection(data: BenchmarkReportData): Html {
  return html`<h2 id="scope">What was judged</h2>
    <div class="card">
      <div class="scroll" tabindex="0" role="region" aria-label="Counts">
        <table class="dense">
          <thead>
            <tr>
              <th>Evaluation</th>
              <th>Items</th>
              <th>Missing</th>
              <th>Errors</th>
              <th>Ties</th>
            </tr>
          </thead>
          <tbody>
            ${data.evaluations.map(
              ({ judge, score }) =>
                html`<tr>
                  <td>${BENCHMARK_TITLES[score.benchmark]} · ${judge}</td>
                  <td>${count(score.items)}</td>
                  <td>${count(score.missing)}</td>
                  <td>${count(score.errors)}</td>
                  <td>${count(score.ties)}</td>
                </tr>`,
            )}
          </tbody>
        </table>
      </div>
      <ul class="plain">
        ${[...new Set(data.evaluations.flatMap(({ score }) => [...score.notes, ...score.conventions]))].map(
          (note) => html`<li>${note}</li>`,
        )}
      </ul>
    </div>`;
}
