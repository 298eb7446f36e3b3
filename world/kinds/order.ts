import type { Draws } from '../random.js';
import { ask, singleQuestion } from './kind.js';
import type { Kind } from './kind.js';
import { numberTask, stateNumber } from './number.js';

const SORT = /^Sort the digits of ([0-9]+)\.$/;

function distinctNumbers(count: number, draws: Draws): number[] {
  const numbers = new Set<number>();
  while (numbers.size < count) numbers.add(draws.int(10, 99));
  return [...numbers];
}

/**
 * Go through the numbers keeping the better of two; tens first, ones where the tens are equal. The sign stands after
 * both digits, so that it is a look-up in what is already written. A judge who believes in
 * a claimed number that is not the best one slips where that number would have lost.
 */
function explainChoice(numbers: number[], largest: boolean): (claimed: string) => string {
  return (claimed) => {
    const believed = Number(claimed);
    const beats = (a: number, b: number): boolean => {
      if (a === believed || b === believed) return a === believed;
      return largest ? a > b : a < b;
    };
    const steps: string[] = [];
    const kept = numbers.reduce((best, next) => {
      const winner = beats(next, best) ? next : best;
      const tens = [Math.floor(best / 10), Math.floor(next / 10)] as const;
      const ones = [best % 10, next % 10] as const;
      const shown = (winner === next) === largest ? '<' : '>';
      const decisive = (pair: readonly [number, number]): string =>
        `${String(pair[0])} ${String(pair[1])} ${shown}`;
      const equal = tens[0] === tens[1];
      steps.push(equal ? `${String(tens[0])} ${String(tens[1])} = ${decisive(ones)}` : decisive(tens));
      steps.push(`take ${String(winner)}`);
      return winner;
    });
    return [...steps, `so ${String(kept)}`].join(' ');
  };
}

function extreme(category: string, count: 2 | 3, largest: boolean): Kind {
  const word = largest ? 'largest' : 'smallest';
  const comparative = largest ? 'larger' : 'smaller';
  const question =
    count === 3
      ? new RegExp(`^Which is the ${word} of ([0-9]{2}), ([0-9]{2}) and ([0-9]{2})\\?$`)
      : new RegExp(`^Which is ${comparative}, ([0-9]{2}) or ([0-9]{2})\\?$`);
  return {
    category,
    draw: (draws) => {
      const numbers = distinctNumbers(count, draws);
      const best = largest ? Math.max(...numbers) : Math.min(...numbers);
      const [first, second, third] = numbers.map(String);
      return {
        key: `${category}:${word}:${[...numbers].sort().join(',')}`,
        conversation: ask(
          count === 3
            ? `Which is the ${word} of ${String(first)}, ${String(second)} and ${String(third)}?`
            : `Which is ${comparative}, ${String(first)} or ${String(second)}?`,
        ),
        good: stateNumber(best, draws),
        bad: stateNumber(draws.pick(numbers.filter((n) => n !== best)), draws),
      };
    },
    read: (conversation) => {
      const match = question.exec(singleQuestion(conversation) ?? '');
      if (match === null) return undefined;
      const numbers = match.slice(1).map(Number);
      if (new Set(numbers).size !== count) return undefined;
      const best = largest ? Math.max(...numbers) : Math.min(...numbers);
      return numberTask(String(best), explainChoice(numbers, largest));
    },
  };
}

export const max = extreme('reasoning/max', 3, true);
export const min = extreme('reasoning/min', 3, false);

const larger = extreme('reasoning/compare', 2, true);
const smaller = extreme('reasoning/compare', 2, false);
export const compare: Kind = {
  category: larger.category,
  draw: (draws) => (draws.chance(0.5) ? larger : smaller).draw(draws),
  read: (conversation) => larger.read(conversation) ?? smaller.read(conversation),
};

/** Four different digits in rising order; the bad reply has two neighbours swapped. */
export const sort: Kind = {
  category: 'reasoning/sort',
  draw: (draws) => {
    const digits = draws.sample([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 4);
    const sorted = [...digits].sort((a, b) => a - b);
    const swapped = [...sorted];
    const at = draws.int(0, 2);
    swapped.splice(at, 2, ...swapped.slice(at, at + 2).reverse());
    return {
      key: `reasoning/sort:${sorted.join('')}`,
      conversation: ask(`Sort the digits of ${digits.join('')}.`),
      good: stateNumber(sorted.join(''), draws),
      bad: stateNumber(swapped.join(''), draws),
    };
  },
  read: (conversation) => {
    const digits = SORT.exec(singleQuestion(conversation) ?? '')?.[1];
    if (digits === undefined) return undefined;
    return numberTask([...digits].sort().join(''), (claimed) => `so ${claimed}`);
  },
};
