/** A line chart as static SVG: no script, colours by CSS class. */
import { html } from '../html.js';
import type { Html } from '../html.js';
import { niceScale } from './scale.js';

export interface Point {
  x: number;
  y: number;
}

export interface LineSeries {
  /** Colour class, for example `c-grpo`. */
  color: string;
  points: readonly Point[];
  /** Drawn pale under the others: the single steps behind a moving average. */
  faint?: boolean;
}

export interface LineChart {
  title: string;
  /** What the vertical axis counts. */
  unit: string;
  xLabel: string;
  series: readonly LineSeries[];
  /** A level worth comparing with. */
  reference?: { y: number; label: string };
  /** Bounds the axis must hold, whatever the data. */
  yInclude?: readonly number[];
  /** Text of the last value. */
  format: (value: number) => string;
}

const [WIDTH, HEIGHT] = [480, 232];
const PLOT = { left: 46, right: WIDTH - 60, top: 14, bottom: HEIGHT - 30 };
const MOST_POINTS = 240;

/** Draw `chart`; points that are not finite are left out. */
export function lineChart(chart: LineChart): Html {
  const series = chart.series.map((one) => ({ ...one, points: thin(one.points.filter(isFinitePoint)) }));
  const all = series.flatMap(({ points }) => points);
  if (all.length === 0) return html`<p class="muted">No steps were recorded.</p>`;
  const ys = [
    ...all.map(({ y }) => y),
    ...(chart.yInclude ?? []),
    ...(chart.reference ? [chart.reference.y] : []),
  ];
  const xs = all.map(({ x }) => x);
  const x = niceScale(Math.min(...xs), Math.max(...xs), PLOT.left, PLOT.right, 5);
  const lastX = Math.max(...xs);
  const xAt = (value: number): number =>
    PLOT.left +
    ((value - Math.min(...xs)) / Math.max(1e-9, lastX - Math.min(...xs))) * (PLOT.right - PLOT.left);
  const y = niceScale(Math.min(...ys), Math.max(...ys), PLOT.bottom, PLOT.top);
  const reference = chart.reference;
  const marked = series.filter(({ faint }) => !faint);
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${chart.title}">
    ${y.ticks.map(
      (tick) =>
        html`<line
            class="grid"
            x1="${PLOT.left}"
            x2="${PLOT.right}"
            y1="${px(y.at(tick))}"
            y2="${px(y.at(tick))}"
          />
          <text class="tick" x="${PLOT.left - 7}" y="${px(y.at(tick) + 3.5)}" text-anchor="end"
            >${y.label(tick)}</text
          >`,
    )}
    ${x.ticks
      .filter((tick) => tick >= Math.min(...xs) && tick <= lastX)
      .map(
        (tick) =>
          html`<text class="tick" x="${px(xAt(tick))}" y="${PLOT.bottom + 16}" text-anchor="middle"
            >${x.label(tick)}</text
          >`,
      )}
    <line class="axis" x1="${PLOT.left}" x2="${PLOT.right}" y1="${PLOT.bottom}" y2="${PLOT.bottom}" />
    <text class="tick" x="${PLOT.right + 16}" y="${PLOT.bottom + 16}">${chart.xLabel}</text>
    ${
      reference &&
      html`<line
          class="reference"
          x1="${PLOT.left}"
          x2="${PLOT.right}"
          y1="${px(y.at(reference.y))}"
          y2="${px(y.at(reference.y))}"
        />
        <text class="tick" x="${PLOT.left + 5}" y="${px(y.at(reference.y) - 5)}">${reference.label}</text>`
    }
    ${series.map(({ color, faint, points }) =>
      points.length === 1
        ? html`<circle
            class="${color} dot"
            cx="${px(xAt(points[0]?.x ?? 0))}"
            cy="${px(y.at(points[0]?.y ?? 0))}"
            r="3"
          />`
        : html`<path class="${color} ${faint ? 'faint' : 'line'}" d="${pathOf(points, xAt, y.at)}" />`,
    )}
    ${marked.map(({ color, points }) => {
      const last = points.at(-1);
      return (
        last &&
        html`<circle class="${color} dot" cx="${px(xAt(last.x))}" cy="${px(y.at(last.y))}" r="3" />
          <text class="value ${color}" x="${px(xAt(last.x) + 8)}" y="${px(y.at(last.y) + 4)}"
            >${chart.format(last.y)}</text
          >`
      );
    })}
  </svg>`;
}

/** Centred moving average over `window` points, shorter at the ends. */
export function movingAverage(points: readonly Point[], window: number): Point[] {
  const half = Math.floor(window / 2);
  return points.map(({ x }, index) => {
    const near = points.slice(Math.max(0, index - half), index + half + 1);
    return { x, y: near.reduce((sum, { y }) => sum + y, 0) / near.length };
  });
}

/** At most `MOST_POINTS` points, each the mean of a run of neighbours; the last point stays as it is. */
function thin(points: readonly Point[]): Point[] {
  if (points.length <= MOST_POINTS) return [...points];
  const size = Math.ceil(points.length / MOST_POINTS);
  const means = Array.from({ length: Math.ceil(points.length / size) }, (_, index) => {
    const run = points.slice(index * size, (index + 1) * size);
    const mean = (pick: (point: Point) => number): number =>
      run.reduce((sum, point) => sum + pick(point), 0) / run.length;
    return { x: mean((point) => point.x), y: mean((point) => point.y) };
  });
  const last = points.at(-1);
  return last ? [...means.slice(0, -1), last] : means;
}

function isFinitePoint({ x, y }: Point): boolean {
  return Number.isFinite(x) && Number.isFinite(y);
}
function pathOf(
  points: readonly Point[],
  x: (value: number) => number,
  y: (value: number) => number,
): string {
  return points
    .map((point, index) => `${index === 0 ? 'M' : 'L'}${px(x(point.x))} ${px(y(point.y))}`)
    .join('');
}
function px(value: number): string {
  return value.toFixed(1);
}
