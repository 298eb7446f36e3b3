/** Accuracies with their 95 % intervals, grouped by section: one row a section, one mark a system. */
import type { Interval } from '../../../../benchmarks/index.js';
import { percent } from '../format.js';
import { html } from '../html.js';
import type { Html } from '../html.js';
import { fixedScale } from './scale.js';

export interface IntervalMark extends Interval {
  value: number;
  color: string;
  label: string;
}
export interface IntervalRow {
  name: string;
  /** Set off from the rows above: the average. */
  strong?: boolean;
  marks: readonly IntervalMark[];
}

const WIDTH = 960;
const PLOT = { left: 118, right: WIDTH - 30 };
const [MARK_GAP, ROW_GAP, TOP] = [17, 16, 26];

/** Draw the rows on an axis from the round number below the least bound to 100 %. */
export function intervalPlot(title: string, rows: readonly IntervalRow[]): Html {
  const least = Math.min(...rows.flatMap(({ marks }) => marks.map(({ low }) => low)), 0.5);
  const start = Math.max(0, Math.floor(least * 10) * 10);
  const x = fixedScale(start, 100, PLOT.left, PLOT.right, start >= 80 ? 5 : 10);
  const at = (share: number): string => x.at(100 * share).toFixed(1);
  const tops: number[] = [];
  let bottom = TOP;
  for (const { marks, strong } of rows) {
    if (strong) bottom += 6;
    tops.push(bottom);
    bottom += marks.length * MARK_GAP + ROW_GAP;
  }
  const height = bottom;
  return html`<svg class="chart wide" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${title}">
    ${x.ticks.map(
      (tick) =>
        html`<line class="grid" x1="${x.at(tick)}" x2="${x.at(tick)}" y1="${TOP - 6}" y2="${height}" />
          <text class="tick" x="${x.at(tick)}" y="${TOP - 12}" text-anchor="middle"
            >${x.label(tick)} %</text
          >`,
    )}
    ${start < 50 && html`<line class="reference" x1="${at(0.5)}" x2="${at(0.5)}" y1="${TOP - 6}" y2="${height}" />`}
    ${rows.map(({ name, marks, strong }, row) => {
      const top = tops[row] ?? 0;
      const middle = top + (marks.length * MARK_GAP) / 2;
      return html`<g>
        ${strong && html`<line class="axis" x1="0" x2="${PLOT.right}" y1="${top - 9}" y2="${top - 9}" />`}
        <text
          class="row-name${strong ? ' strong' : ''}"
          x="${PLOT.left - 14}"
          y="${middle + 4}"
          text-anchor="end"
          >${name}</text
        >
        ${marks.map(({ value, low, high, color, label }, index) => {
          const y = top + (index + 0.5) * MARK_GAP;
          const beside =
            value > 0.9
              ? { x: `${Number(at(low)) - 8}`, anchor: 'end' }
              : { x: `${Number(at(high)) + 8}`, anchor: 'start' };
          return html`<g>
            <title>${label}: ${percent(value)} % (${percent(low)} to ${percent(high)})</title>
            <line class="${color} whisker" x1="${at(low)}" x2="${at(high)}" y1="${y}" y2="${y}" />
            <circle class="${color} dot" cx="${at(value)}" cy="${y}" r="4.2" />
            <text class="value ${color}" x="${beside.x}" y="${y + 4}" text-anchor="${beside.anchor}"
              >${percent(value)}</text
            >
          </g>`;
        })}
      </g>`;
    })}
  </svg>`;
}
