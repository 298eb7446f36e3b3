import type { Position } from './pair.js';

/** What a judge's text says: one answer, both (a contradiction) or neither. */
export type Verdict = Position | 'both' | 'none';

/** The position that `position` is not. */
export function otherPosition(position: Position): Position {
  return position === 'A' ? 'B' : 'A';
}

/**
 * The last `window` characters of `text`, counted in Unicode code points as the released Python code counts them.
 */
export function tail(text: string, window: number): string {
  // A code point takes at most two UTF-16 units, so twice the window always holds it.
  return [...text.slice(-2 * window)].slice(-window).join('');
}

/**
 * The verdict by the evaluation rule (RM-R1): exactly one of `[[A]]` and `[[B]]` anywhere in the text.
 * `both` and `none` are errors and count as wrong.
 */
export function parseVerdict(text: string): Verdict {
  return verdictOf(text.includes('[[A]]'), text.includes('[[B]]'));
}

/** {@link parseVerdict}, looking only at the last `window` characters. */
export function finalVerdict(text: string, window: number): Verdict {
  return parseVerdict(tail(text, window));
}

function verdictOf(a: boolean, b: boolean): Verdict {
  if (a && b) return 'both';
  if (a) return 'A';
  return b ? 'B' : 'none';
}
