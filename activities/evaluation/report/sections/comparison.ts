import { count, percent, points, pointsInterval, pValue, interval } from '../format.js';
import { html } from '../html.js';
import type { Html } from '../html.js';
import type { ReportData } from '../report-data.js';
import { systemColor } from '../theme.js';
import { labelOf, scopeOf } from './scope.js';

/** Each training stage against the one before it, on the same items. */
export function comparisonSection(data: ReportData): Html | false {
  if (data.comparisons.length === 0) return false;
  return html`<h2 id="comparison">What each stage added</h2>
    <p class="lead">
      The same items judged by two systems: <i>fixed</i> are wrong before and right after, <i>broken</i> the
      reverse. ${scopeOf(data)}
    </p>
    <div class="card scroll">
      <table>
        <thead>
          <tr>
            <th>Comparison</th>
            <th>Before</th>
            <th>After</th>
            <th>Difference, points</th>
            <th>Fixed</th>
            <th>Broken</th>
            <th>McNemar p</th>
            <th>Pairs better / worse</th>
            <th>Sign test p</th>
          </tr>
        </thead>
        <tbody>
          ${data.comparisons.map(
            (row) =>
              html`<tr>
                <td><b>${labelOf(data, row.to)}</b> against ${labelOf(data, row.from)}</td>
                <td>${percent(row.before)}</td>
                <td>${percent(row.after)}</td>
                <td><b>${points(row.difference)}</b><span class="ci">${pointsInterval(row)}</span></td>
                <td>${count(row.fixed)}</td>
                <td>${count(row.broken)}</td>
                <td>${pValue(row.pValue)}</td>
                <td>${count(row.byPair.better)} / ${count(row.byPair.worse)}</td>
                <td>${pValue(row.byPair.pValue)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
}

/** Does the verdict follow the answer or its place? */
export function positionSection(data: ReportData): Html {
  return html`<h2 id="position">Position</h2>
    <p class="lead">
      Every pair is judged twice, with the preferred answer first and last. A judge that looks at places and
      not at answers changes its preference with the order. ${scopeOf(data)}
    </p>
    <div class="card scroll">
      <table>
        <thead>
          <tr>
            <th>System</th>
            <th>Pairs</th>
            <th>Right in both orders</th>
            <th>Wrong in both</th>
            <th>Flipped with the order</th>
            <th>Undecided</th>
            <th>Verdicts for A</th>
            <th>Tokens a judgement</th>
            <th>Cut off</th>
          </tr>
        </thead>
        <tbody>
          ${data.systems.map(
            ({ label, position, meanTokens, unfinished }, index) =>
              html`<tr>
                <td class="system">
                  <span class="swatch ${systemColor(index, data.systems.length)}"></span><b>${label}</b>
                </td>
                <td>${count(position.pairs)}</td>
                <td>
                  <b>${percent(position.rightInBoth.share)} %</b
                  ><span class="ci">${interval(position.rightInBoth)}</span>
                </td>
                <td>${count(position.wrongInBoth)}</td>
                <td>
                  ${percent(position.flipped.share)} %<span class="ci">${interval(position.flipped)}</span>
                </td>
                <td>${count(position.undecided)}</td>
                <td>
                  ${percent(position.shareOfA.share)} %<span class="ci">${interval(position.shareOfA)}</span>
                </td>
                <td>${meanTokens.toFixed(1)}</td>
                <td>${count(unfinished)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
}
