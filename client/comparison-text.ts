/** Two judges side by side, as text. */
import type { ComparisonOfRuns, Difference } from '../benchmarks/index.js';

export interface Compared {
  /** What table and sentence call the judges. */
  names: readonly [string, string];
  /** The runs or files that they come from. */
  sources: readonly [string, string];
  notes: readonly string[];
}

/** Table by section, what was left out, and the sentence. */
export function comparisonText(
  { score, sections, onlyA, onlyB, conclusion }: ComparisonOfRuns,
  { names, sources, notes }: Compared,
): string {
  const rows = [
    ['', 'A', 'B', 'B − A', '95 %', 'fixed', 'broken', 'McNemar p', 'judgements'],
    ...Object.entries(sections).map(([name, part]) => row(name, part)),
    row('score', score),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  const lines = rows.map((cells) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
      .join('  '),
  );
  const legend = names.map((name, index) => {
    const source = sources[index]!;
    return `${'AB'[index]}: ${name}${name === source ? '' : ` (${source})`}`;
  });
  const left = onlyA + onlyB > 0 ? [`Left out: ${onlyA} judged only by A, ${onlyB} only by B.`] : [];
  return [...legend, '', ...lines, '', ...left, ...notes.map((note) => `Note: ${note}`), conclusion].join(
    '\n',
  );
}

function row(
  name: string,
  { a, b, difference, low, high, fixed, broken, pValue, count }: Difference,
): string[] {
  const percent = (share: number) => (100 * share).toFixed(1);
  const signed = (share: number) => `${share < 0 ? '−' : '+'}${percent(Math.abs(share))}`;
  const p = pValue < 0.001 ? '< 0.001' : pValue.toFixed(3);
  const interval = `${signed(low)} to ${signed(high)}`;
  return [name, percent(a), percent(b), signed(difference), interval, `${fixed}`, `${broken}`, p, `${count}`];
}
