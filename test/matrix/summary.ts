/** What a run of the matrix prints: counts, failures, and the two figures that say what a fault costs. */
import { MOMENTS, STAGES, VICTIMS, type Cell } from './cells.js';
import type { CellResult } from './kill-matrix.js';

export interface Summary {
  seed: number;
  /** Cells that were run. */
  cells: number;
  passed: number;
  failed: { id: string; wrong: string[] }[];
  /** Cells of the matrix that do not exist, by reason. */
  absent: Record<string, number>;
  /** Existing cells that this run left out. */
  left: number;
  victims: Record<
    string,
    {
      cells: number;
      lostSeconds: { median: number; worst: number };
      recomputedSteps: { median: number; worst: number };
    }
  >;
  results: CellResult[];
}

export function summarise(all: readonly Cell[], results: CellResult[], seed: number): Summary {
  const failed = results.filter(({ wrong }) => wrong.length > 0).map(({ id, wrong }) => ({ id, wrong }));
  const absent: Record<string, number> = {};
  for (const cell of all) if (cell.absent) absent[cell.absent] = (absent[cell.absent] ?? 0) + 1;
  const existing = all.filter(({ point }) => point).length;
  const victims: Summary['victims'] = {};
  for (const victim of VICTIMS) {
    const rows = results.filter(({ id, wrong }) => id.endsWith(`/${victim}`) && wrong.length === 0);
    if (rows.length === 0) continue;
    victims[victim] = {
      cells: rows.length,
      lostSeconds: spread(rows.map(({ lostSeconds }) => lostSeconds)),
      recomputedSteps: spread(rows.flatMap(({ recomputedSteps }) => recomputedSteps ?? [])),
    };
  }
  return {
    seed,
    cells: results.length,
    passed: results.length - failed.length,
    failed,
    absent,
    left: existing - results.length,
    victims,
    results,
  };
}

function spread(values: readonly number[]): { median: number; worst: number } {
  const sorted = [...values].sort((a, b) => a - b);
  const round = (value: number | undefined) => Math.round((value ?? 0) * 10) / 10;
  return { median: round(sorted[sorted.length >> 1]), worst: round(sorted.at(-1)) };
}

/** One table per stage: `✓` passed, `✗` failed, `–` does not exist, `·` not run. */
export function markdownTables(all: readonly Cell[], results: readonly CellResult[]): string {
  const outcome = new Map(results.map(({ id, wrong }) => [id, wrong.length === 0 ? '✓' : '✗']));
  const mark = (cell: Cell) => (cell.absent ? '–' : (outcome.get(cell.id) ?? '·'));
  return STAGES.map((stage) => {
    const rows = MOMENTS.map((moment) => {
      const cells = all.filter((cell) => cell.stage === stage && cell.moment === moment);
      return `| ${moment} | ${VICTIMS.map((victim) => mark(cells.find((cell) => cell.victim === victim)!)).join(' | ')} |`;
    });
    return [
      `| ${stage} | ${VICTIMS.join(' | ')} |`,
      `|---|${VICTIMS.map(() => ':-:|').join('')}`,
      ...rows,
      '',
    ].join('\n');
  }).join('\n');
}
