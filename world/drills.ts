import { CLASSES, DEEDS, NAMES, PLACES, STANCES, TARGETS, TONES } from './lexicon.js';
import type { Draws } from './random.js';

/** Everything a judge may have to quote. */
const QUOTABLE: readonly string[] = [
  ...Object.values(CLASSES).flat(),
  ...Object.values(TARGETS).flat(),
  ...Object.values(TONES).flat(),
  ...Object.values(STANCES).flat(),
  ...NAMES,
  ...PLACES,
  ...DEEDS,
];
const KEYS: readonly string[] = Object.values(CLASSES).flat();
/** Words that judgements compare with each other. */
const COMPARED: readonly string[] = [...KEYS, ...NAMES];

/**
 * Practice of single steps, in the wording of judgements: digit tables, comparison of digits and words, word classes. None of them
 * sees a pair of answers.
 */
type Drill = (draws: Draws) => string;

const digit = (draws: Draws): number => draws.int(0, 9);

const addOnes: Drill = (draws) => {
  const [a, b] = [digit(draws), digit(draws)];
  return `${a} + ${b} carry ${Math.floor((a + b) / 10)} ones ${(a + b) % 10}`;
};
const addTens: Drill = (draws) => {
  const [a, carry] = [draws.int(1, 8), draws.int(0, 1)];
  const b = draws.int(1, 9 - a);
  return a + b + carry > 9 ? addTens(draws) : `${a} + ${b} + ${carry} tens ${a + b + carry}`;
};
const subtractOnes: Drill = (draws) => {
  const [a, b] = [digit(draws), digit(draws)];
  return `${a} - ${b} borrow ${a < b ? 1 : 0} ones ${(a - b + 10) % 10}`;
};
const subtractTens: Drill = (draws) => {
  const [a, borrow] = [draws.int(2, 9), draws.int(0, 1)];
  const b = draws.int(1, a - 1);
  return a - b - borrow < 1 ? subtractTens(draws) : `${a} - ${b} - ${borrow} tens ${a - b - borrow}`;
};
const sameDigit: Drill = (draws) => {
  const a = digit(draws);
  const b = draws.chance(0.5) ? a : digit(draws);
  return `${a} vs ${b} ${a === b ? 'same' : 'differ'}`;
};
const lessDigit: Drill = (draws) => {
  const [a, b] = [digit(draws), digit(draws)];
  return `${a} ${b} ${a < b ? '<' : a > b ? '>' : '='}`;
};
const wordClass: Drill = (draws) => {
  const groups: Record<string, readonly string[]> = { ...CLASSES, ...TARGETS, ...TONES, ...STANCES };
  const name = draws.pick(Object.keys(groups));
  return `${draws.pick(groups[name] ?? PLACES)} ${name}`;
};

const sameThing: Drill = (draws) => {
  const word = draws.pick(COMPARED);
  const other = draws.chance(0.5) ? word : draws.pick(COMPARED);
  return `${word} vs ${other} ${word === other ? 'same' : 'differ'}`;
};

const WEIGHTED: readonly (readonly [Drill, number])[] = [
  [addOnes, 4],
  [addTens, 2],
  [subtractOnes, 6],
  [subtractTens, 3],
  [sameDigit, 1],
  [lessDigit, 2],
  [wordClass, 2],
  [sameThing, 5],
];
const BAG: readonly Drill[] = WEIGHTED.flatMap(([drill, weight]) =>
  Array.from({ length: weight }, () => drill),
);

/** `length` single steps in a row. */
export function drill(draws: Draws, length: number): string {
  return Array.from({ length }, () => draws.pick(BAG)(draws)).join(' . ');
}

/** What is shown, and what to write about it. */
interface Copying {
  shown: string;
  written: string;
}

/** Words and digits, repeated in order. */
function repeat(draws: Draws): Copying {
  const list = Array.from({ length: draws.int(8, 20) }, () =>
    draws.chance(0.3) ? String(digit(draws)) : draws.pick(QUOTABLE),
  ).join(' ');
  return { shown: list, written: list };
}

/** What belongs to each of a few words, asked for in another order. */
function recall(draws: Draws): Copying {
  const count = draws.int(3, 6);
  const keys = draws.sample(KEYS, count);
  const facts = keys.map((key) => `${key} ${draws.pick(NAMES)}`);
  return { shown: facts.join(' . '), written: draws.sample(facts, count).join(' . ') };
}

/** Two words, the same or not. */
function sameWord(draws: Draws): Copying {
  const pairs = Array.from({ length: draws.int(3, 6) }, () => {
    const word = draws.pick(COMPARED);
    return [word, draws.chance(0.5) ? word : draws.pick(COMPARED)] as const;
  });
  return {
    shown: pairs.map(([a, b]) => `${a} ${b}`).join(' . '),
    written: pairs.map(([a, b]) => `${a} vs ${b} ${a === b ? 'same' : 'differ'}`).join(' . '),
  };
}

/** Two numbers side by side, digit by digit up to the first difference. */
function alignDigits(draws: Draws): Copying {
  const right = Array.from({ length: draws.int(2, 4) }, () => digit(draws));
  const said = right.map((value) => (draws.chance(0.25) ? digit(draws) : value));
  const differs = said.findIndex((value, i) => value !== right[i]);
  const compared = said.slice(0, differs < 0 ? said.length : differs + 1);
  return {
    shown: `${said.join(' ')} . ${right.join(' ')}`,
    written: compared
      .map((value, i) => `${String(value)} vs ${String(right[i])} ${value === right[i] ? 'same' : 'differ'}`)
      .join(' '),
  };
}

/** Practice of reading off: what is written is a function of what is shown, apart from the order of questions. */
export function copying(draws: Draws): Copying {
  return draws.pick([repeat, recall, sameWord, sameWord, alignDigits, alignDigits])(draws);
}
