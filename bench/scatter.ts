/** A plot of accuracy against oracle calls, as a self-contained SVG. */

export interface Point {
  name: string;
  /** Oracle calls. */
  calls: number;
  /** Of the final judge, 0 to 1. */
  accuracy: number;
}

const WIDTH = 760;
const HEIGHT = 420;
const MARGIN = { left: 60, right: 24, top: 24, bottom: 52 };

/** Calls to the right on a linear scale, accuracy upwards from one half. */
export function scatter(points: readonly Point[]): string {
  const most = Math.max(1, ...points.map(({ calls }) => calls)) * 1.08;
  const x = (calls: number) => MARGIN.left + (calls / most) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (accuracy: number) =>
    HEIGHT - MARGIN.bottom - ((accuracy - 0.5) / 0.5) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const step = 10 ** Math.floor(Math.log10(most)) / 2;
  const ticks = Array.from({ length: Math.floor(most / step) + 1 }, (_, index) => index * step);
  const rows = [0.5, 0.6, 0.7, 0.8, 0.9, 1];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#fff"/>
${rows.map((at) => `<path d="M${MARGIN.left} ${y(at).toFixed(1)}H${WIDTH - MARGIN.right}" stroke="#ddd"/><text x="${MARGIN.left - 8}" y="${(y(at) + 4).toFixed(1)}" text-anchor="end" fill="#555">${Math.round(at * 100)} %</text>`).join('\n')}
${ticks.map((at) => `<text x="${x(at).toFixed(1)}" y="${HEIGHT - MARGIN.bottom + 20}" text-anchor="middle" fill="#555">${at.toLocaleString('en-US')}</text>`).join('\n')}
<text x="${(WIDTH + MARGIN.left) / 2}" y="${HEIGHT - 10}" text-anchor="middle" fill="#333">oracle calls</text>
${points.map((point) => mark(point, x(point.calls), y(point.accuracy))).join('\n')}
</svg>
`;
}

function mark({ name, accuracy }: Point, x: number, y: number): string {
  const right = x > WIDTH * 0.6;
  return `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="5" fill="#2563eb"/><text x="${(right ? x - 10 : x + 10).toFixed(1)}" y="${(y + 18).toFixed(1)}" text-anchor="${right ? 'end' : 'start'}" fill="#111">${name}: ${(100 * accuracy).toFixed(1)} %</text>`;
}
