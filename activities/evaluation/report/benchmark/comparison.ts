import type { Difference } from '../../../../benchmarks/index.js';
import { count, percent, points, pointsInterval, pValue } from '../format.js';
import { html } from '../html.js';
import type { Html } from '../html.js';
import type { BenchmarkReportData } from './data.js';

/** Two judges on the items that both judged: the sentence, and the differences by section. */
export function comparisonSection({ comparison }: BenchmarkReportData): Html | false {
  if (!comparison) return false;
  const { names, notes, conclusion, sections, score, onlyA, onlyB } = comparison;
  return html`<h2 id="comparison">Comparison</h2>
    <p class="lead"><b>${conclusion}</b></p>
    ${notes.map((note) => html`<p class="lead">${note}</p>`)}
    <div class="card">
      <div class="scroll" tabindex="0" role="region" aria-label="Comparison">
        <table>
          <thead>
            <tr>
              <th>Section</th>
              <th>${names[0]}</th>
              <th>${names[1]}</th>
              <th>Difference, points</th>
              <th>95 %</th>
              <th>Fixed</th>
              <th>Broken</th>
              <th>McNemar p</th>
              <th>Judgements</th>
            </tr>
          </thead>
          <tbody>
            ${Object.entries(sections).map(([name, part]) => row(name, part))} ${row('Score', score)}
          </tbody>
        </table>
      </div>
    </div>
    <p class="muted">
      Over the items that both
      judged${
        onlyA + onlyB > 0 &&
        html`; ${count(onlyA)} judged only by ${names[0]} and ${count(onlyB)} only by ${names[1]} are left out`
      }.
      Intervals: paired bootstrap. Fixed: only ${names[1]} is right; broken: only ${names[0]} is.
    </p>`;
}

function row(name: string, part: Difference): Html {
  return html`<tr>
    <td>${name}</td>
    <td>${percent(part.a)}</td>
    <td>${percent(part.b)}</td>
    <td>${points(part.difference)}</td>
    <td>${pointsInterval(part)}</td>
    <td>${count(part.fixed)}</td>
    <td>${count(part.broken)}</td>
    <td>${pValue(part.pValue)}</td>
    <td>${count(part.count)}</td>
  </tr>`;
}
