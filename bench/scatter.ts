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
${marks(points, x, y).join('\n')}
</svg>
`;
}

const LINE = 17;

/** Points with their names beside them; a name that would lie on another one moves down. */
function marks(
  points: readonly Point[],
  x: (calls: number) => number,
  y: (accuracy: number) => number,
): string[] {
  const taken: { left: number; right: number; at: number }[] = [];
  return points.map(({ name, calls, accuracy }) => {
    const text = `${name}: ${(100 * accuracy).toFixed(1)} %`;
    const width = 7 * text.length;
    const [cx, cy] = [x(calls), y(accuracy)];
    const toLeft = cx + 10 + width > WIDTH;
    const left = toLeft ? cx - 10 - width : cx + 10;
    let at = cy + 18;
    const covers = (other: (typeof taken)[number]) =>
      other.left < left + width && left < other.right && Math.abs(other.at - at) < LINE;
    while (taken.some(covers)) at += LINE;
    taken.push({ left, right: left + width, at });
    return (
      `<circle cx="${cx.toFixed(1)}" cy="${cy.toFixed(1)}" r="5" fill="#2563eb"/>` +
      `<text x="${(toLeft ? cx - 10 : cx + 10).toFixed(1)}" y="${at.toFixed(1)}" text-anchor="${toLeft ? 'end' : 'start'}" fill="#111">${text}</text>`
    );
  });
}
