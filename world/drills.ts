import { CLASSES, PLACES, STANCES, TARGETS, TONES } from './lexicon.js';
import type { Draws } from './random.js';

/**
 * Practice of single steps, in the wording of judgements: digit tables, digit comparison, word classes. None of them
 * sees a pair of answers.
 */
type Drill = (draws: Draws) => string;

const digit = (draws: Draws): number => draws.int(0, 9);

const addOnes: Drill = (draws) => {
  const [a, b] = [digit(draws), digit(draws)];
  return `ones ${a} + ${b} = ${Math.floor((a + b) / 10)} ${(a + b) % 10}`;
};
const addTens: Drill = (draws) => {
  const [a, carry] = [draws.int(1, 8), draws.int(0, 1)];
  const b = draws.int(1, 9 - a);
  return a + b + carry > 9 ? addTens(draws) : `tens ${a} + ${b} + ${carry} = ${a + b + carry}`;
};
const subtractOnes: Drill = (draws) => {
  const [a, b] = [digit(draws), digit(draws)];
  return `ones ${a} - ${b} = ${(a - b + 10) % 10} borrow ${a < b ? 1 : 0}`;
};
const subtractTens: Drill = (draws) => {
  const [a, borrow] = [draws.int(2, 9), draws.int(0, 1)];
  const b = draws.int(1, a - 1);
  return a - b - borrow < 1 ? subtractTens(draws) : `tens ${a} - ${b} - ${borrow} = ${a - b - borrow}`;
};
const sameDigit: Drill = (draws) => {
  const a = digit(draws);
  const b = draws.chance(0.5) ? a : digit(draws);
  return `${a} vs ${b} ${a === b ? 'same' : 'differ'}`;
};
const lessDigit: Drill = (draws) => {
  const [a, b] = [digit(draws), digit(draws)];
  return `${a} ${a < b ? '<' : a > b ? '>' : '='} ${b}`;
};
const wordClass: Drill = (draws) => {
  const groups: Record<string, readonly string[]> = { ...CLASSES, ...TARGETS, ...TONES, ...STANCES };
  const name = draws.pick(Object.keys(groups));
  return `${draws.pick(groups[name] ?? PLACES)} ${name}`;
};

const WEIGHTED: readonly (readonly [Drill, number])[] = [
  [addOnes, 3],
  [addTens, 2],
  [subtractOnes, 3],
  [subtractTens, 2],
  [sameDigit, 5],
  [lessDigit, 2],
  [wordClass, 2],
];
const BAG: readonly Drill[] = WEIGHTED.flatMap(([drill, weight]) =>
  Array.from({ length: weight }, () => drill),
);

/** `length` single steps in a row. */
export function drill(draws: Draws, length: number): string {
  return Array.from({ length }, () => draws.pick(BAG)(draws)).join(' . ');
}
