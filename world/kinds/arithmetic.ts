import type { Draws } from '../random.js';
import { ask, singleQuestion } from './kind.js';
import type { Kind } from './kind.js';
import { numberTask, stateNumber } from './number.js';

const QUESTION = /^(?:What is|Work out) ([0-9])([0-9]) ([+-]) ([0-9])([0-9])[?.]$/;

/** A slip of one, two, ten or twenty that keeps two digits. */
function slip(result: number, draws: Draws): number {
  const wrong = [1, 2, 10, 20].flatMap((by) => [result - by, result + by]).filter((n) => n >= 10 && n <= 99);
  return draws.pick(wrong);
}

function pose(operation: '+' | '-', a: number, b: number, draws: Draws): string {
  const sum = `${String(a)} ${operation} ${String(b)}`;
  return draws.chance(0.5) ? `What is ${sum}?` : `Work out ${sum}.`;
}

/** Two-digit operands with a two-digit result, so that no number has to be padded. */
function operands(operation: '+' | '-', draws: Draws): [number, number] {
  for (;;) {
    const a = draws.int(10, 99);
    const b = draws.int(10, 89);
    const result = operation === '+' ? a + b : a - b;
    if (result >= 10 && result <= 99) return [a, b];
  }
}

/** Each digit of the result stands right after the name of its place, where the last step finds it again. */
function explainSum(a1: number, a0: number, b1: number, b0: number): (claimed: string) => string {
  const carry = a0 + b0 >= 10 ? 1 : 0;
  return ([tens, ones]) =>
    `${String(a0)} + ${String(b0)} carry ${String(carry)} ones ${String(ones)} ` +
    `${String(a1)} + ${String(b1)} + ${String(carry)} tens ${String(tens)} so ${String(tens)}${String(ones)}`;
}

function explainDifference(a1: number, a0: number, b1: number, b0: number): (claimed: string) => string {
  const borrow = a0 < b0 ? 1 : 0;
  return ([tens, ones]) =>
    `${String(a0)} - ${String(b0)} borrow ${String(borrow)} ones ${String(ones)} ` +
    `${String(a1)} - ${String(b1)} - ${String(borrow)} tens ${String(tens)} so ${String(tens)}${String(ones)}`;
}

function arithmetic(category: string, operation: '+' | '-'): Kind {
  return {
    category,
    draw: (draws) => {
      const [a, b] = operands(operation, draws);
      const result = operation === '+' ? a + b : a - b;
      return {
        // A sum is the same problem in either order, so both orders fall into one split.
        key: `${category}:${(operation === '+' ? [a, b].sort() : [a, b]).join(',')}`,
        conversation: ask(pose(operation, a, b, draws)),
        good: stateNumber(result, draws),
        bad: stateNumber(slip(result, draws), draws),
      };
    },
    read: (conversation) => {
      const match = QUESTION.exec(singleQuestion(conversation) ?? '');
      if (match?.[3] !== operation) return undefined;
      const [a1, a0, b1, b0] = [match[1], match[2], match[4], match[5]].map(Number) as [
        number,
        number,
        number,
        number,
      ];
      const [a, b] = [10 * a1 + a0, 10 * b1 + b0];
      return operation === '+'
        ? numberTask(String(a + b), explainSum(a1, a0, b1, b0))
        : numberTask(String(a - b), explainDifference(a1, a0, b1, b0));
    },
  };
}

export const add = arithmetic('reasoning/add', '+');
export const subtract = arithmetic('reasoning/sub', '-');
