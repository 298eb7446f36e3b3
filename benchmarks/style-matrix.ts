/** RM-Bench's 3 × 3 matrix (Liu et al. 2024): is substance preferred when style speaks for the other answer? */
import type { Judgement } from './judgement.js';
import { around, meanOf, type Average } from './means.js';
import type { Score } from './score.js';
import { scoreJudgements } from './score.js';

/** Style levels in order of elaboration; index = `styles.chosen` (row) or `styles.rejected` (column). */
export const STYLE_NAMES = ['concise', 'detailed', 'detailed, markup'] as const;

export const STYLE_BANDS = ['easy', 'normal', 'hard'] as const;
export type StyleBand = (typeof STYLE_BANDS)[number];

export interface StyleMatrix {
  /** `cells[chosen][rejected]`; null where nothing was judged. */
  cells: (Score | null)[][];
  /** Mean of the cells below the diagonal (the chosen answer is the more elaborate one), on it, and above it. */
  bands: Record<StyleBand, Average | null>;
  /** Mean of the three bands; null where one is missing. */
  average: number | null;
  judgements: number;
}

/** Band of a cell: hard is where the rejected answer is the more elaborate one. */
export function styleBand(styles: { chosen: number; rejected: number }): StyleBand {
  if (styles.chosen === styles.rejected) return 'normal';
  return styles.chosen > styles.rejected ? 'easy' : 'hard';
}

/** The matrix of the judgements that know their styles; undefined where none does. */
export function styleMatrix(judgements: readonly Judgement[]): StyleMatrix | undefined {
  const styled = judgements.filter((judgement) => judgement.styles !== undefined);
  if (styled.length === 0) return undefined;
  const levels = STYLE_NAMES.map((_, level) => level);
  const cells = levels.map((chosen) =>
    levels.map((rejected) => {
      const cell = styled.filter(({ styles }) => styles?.chosen === chosen && styles.rejected === rejected);
      return cell.length > 0 ? scoreJudgements(cell) : null;
    }),
  );
  const bands = {
    easy: bandOf('easy', cells, styled),
    normal: bandOf('normal', cells, styled),
    hard: bandOf('hard', cells, styled),
  };
  const { easy, normal, hard } = bands;
  const average = easy && normal && hard ? meanOf([easy, normal, hard]).accuracy : null;
  return { cells, bands, average, judgements: styled.length };
}

/** Mean of a band's cells, as RM-Bench scores it; the interval has the width of the pooled judgements'. */
function bandOf(
  band: StyleBand,
  cells: (Score | null)[][],
  judgements: readonly Judgement[],
): Average | null {
  const members = cells.flatMap((row, chosen) =>
    row.filter((_, rejected) => styleBand({ chosen, rejected }) === band),
  );
  const scores = members.filter((cell) => cell !== null);
  if (scores.length === 0) return null;
  const { accuracy } = meanOf(scores);
  const pooled = scoreJudgements(judgements.filter(({ styles }) => styles && styleBand(styles) === band));
  return around(accuracy, pooled);
}
