import type { Position } from '../../judge/pair.js';
import type { Draws } from '../random.js';
import type { Check, Task } from './kind.js';
import { mark } from './kind.js';

/** The only number in `text`; undefined if there is none or more than one. */
function onlyNumber(text: string): string | undefined {
  const numbers = text.match(/[0-9]+/g);
  return numbers?.length === 1 ? numbers[0] : undefined;
}

/** Hold what an answer says against the solution, digit by digit, up to the first difference. */
function compareDigits(position: Position, said: string, solution: string): Check | undefined {
  if (said.length !== solution.length) return undefined;
  const steps: string[] = [position];
  for (const [i, digit] of [...said].entries()) {
    const right = solution[i];
    steps.push(`${digit} vs ${String(right)} ${digit === right ? 'same' : 'differ'}`);
    if (digit !== right) break;
  }
  const good = said === solution;
  return { steps: [...steps, mark(good)].join(' '), good };
}

/**
 * A task whose answer is one number. `explain` writes the steps that lead to a claimed result; with a wrong claim it
 * is what a judge writes who slips in one of them.
 */
export function numberTask(solution: string, explain: (claimed: string) => string): Task {
  const task = (claimed: string): Task => ({
    type: 'Reasoning',
    lead: explain(claimed),
    check: (answer, position) => {
      const said = onlyNumber(answer);
      return said === undefined ? undefined : compareDigits(position, said, claimed);
    },
    misledBy: (answer) => task(onlyNumber(answer) ?? claimed),
  });
  return task(solution);
}

/** A reply that states a number. */
export function stateNumber(value: number | string, draws: Draws): string {
  return `${draws.pick(['It is', 'The result is'])} ${String(value)}.`;
}
