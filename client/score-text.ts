/** A benchmark's score for people: table, what is missing, and the rules behind it. */
import type { BenchmarkScore, DomainScore } from '../benchmarks/index.js';
import { STYLE_BANDS } from '../benchmarks/index.js';

const TITLES = { rewardbench: 'RewardBench', 'rm-bench': 'RM-Bench', rmb: 'RMB' } as const;

export function scoreText(score: BenchmarkScore): string {
  const { items, missing, errors, ties } = score;
  const counts = [
    `${whole(items)} items`,
    missing > 0 ? `${whole(missing)} missing` : 'none missing',
    `${whole(errors)} errors`,
    ...(ties > 0 ? [`${whole(ties)} ties`] : []),
  ];
  return [
    `${TITLES[score.benchmark]}: ${percent(score.score)} % (${percent(score.low)}–${percent(score.high)})`,
    `${counts.join(' · ')}`,
    '',
    ...partRows(score),
    ...(score.orders ? ['', ordersText(score.orders)] : []),
    ...(missing > 0 ? ['', `Missing: ${listed(score.missingBy)}`] : []),
    ...(score.notes.length > 0 ? ['', ...score.notes.map((note) => `Note: ${note}`)] : []),
    '',
    ...score.conventions.map((rule) => `Rule: ${rule}`),
  ].join('\n');
}

function partRows(score: BenchmarkScore): string[] {
  if (score.benchmark === 'rm-bench') {
    const domains = Object.entries(score.domains);
    const row = (part: Partial<DomainScore>) => STYLE_BANDS.map((band) => shown(part[band]));
    return table([
      ['', ...STYLE_BANDS, 'average', 'comparisons'],
      ...domains.map(([name, part]) => [name, ...row(part), shown(part.average), whole(part.count)]),
      [
        'all',
        ...row(score),
        shown(score.score),
        whole(domains.reduce((sum, [, { count }]) => sum + count, 0)),
      ],
    ]);
  }
  return table([
    ['', 'accuracy', '95 %', score.benchmark === 'rmb' ? 'pairs or lists' : 'pairs'],
    ...Object.entries(score.sections).map(([name, { accuracy, low, high, count }]) => [
      name,
      percent(accuracy),
      `${percent(low)}–${percent(high)}`,
      whole(count),
    ]),
  ]);
}

function ordersText({
  rightInBoth,
  flipped,
  shareOfA,
  items,
}: NonNullable<BenchmarkScore['orders']>): string {
  return (
    `Both orders (${whole(items)} items): right in both ${percent(rightInBoth.share)} %, ` +
    `changed with the place ${percent(flipped.share)} %, verdicts for A ${percent(shareOfA.share)} %`
  );
}

/** Subsets with the largest gap first; a long list is cut. */
function listed(missing: Record<string, number>): string {
  const parts = Object.entries(missing).sort(([, a], [, b]) => b - a);
  const text = parts.slice(0, 12).map(([name, count]) => `${name} ${whole(count)}`);
  return text.join(', ') + (parts.length > 12 ? `, and ${parts.length - 12} more subsets` : '');
}

function table(rows: string[][]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => [...row[column]!].length)));
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const space = ' '.repeat(widths[column]! - [...cell].length);
        return column === 0 ? cell + space : space + cell;
      })
      .join('  ')
      .trimEnd(),
  );
}

function shown(share: number | undefined): string {
  return share === undefined ? '-' : percent(share);
}

function percent(share: number): string {
  return (100 * share).toFixed(1);
}

function whole(count: number): string {
  return count.toLocaleString('en-US');
}
