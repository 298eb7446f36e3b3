import { present } from '../judge/pair.js';
import type { Pair, Position } from '../judge/pair.js';
import { buildPrompt } from '../judge/prompt/build.js';
import { copying, drill } from './drills.js';
import { kindOf } from './kinds/index.js';
import type { Item } from './kinds/kind.js';
import { TRAIN_MIX } from './mix.js';
import { Draws } from './random.js';
import { solutionOf, stepsOf } from './solve.js';
import { drawFrom } from './split.js';
import { STYLES, render } from './style.js';
import type { Style } from './style.js';

/** One document of the base model's warm-up. `prompt` is the content of a single user message. */
export interface WarmUpDocument {
  id: string;
  prompt: string;
  completion: string;
}

/** Shares of the sorts of documents. */
const SORTS = { judgement: 0.36, drill: 0.27, copy: 0.2, reply: 0.17 } as const;
/** Concise answers are shown more often: they are shorter, so more documents fit into the same time. */
const JUDGED_STYLES = { 0: 0.5, 1: 0.25, 2: 0.25 } as const;
const DRILL_STEPS = 6;

/** For the report: everything the base model was shown before distillation. */
export const WHAT_THE_BASE_WAS_TAUGHT = `The base model was made from nothing by a short warm-up on documents of the preference world, none of which contains a held-out problem.
- 36 % have the form of a judgement. Their type, rubric or solution and the single steps of their evaluation are correct, but no answer is ever called ok or bad, and the verdict carries no truth: if the two answers differ in style, it always names the more elaborate one (a style trap, set on purpose); otherwise it is a coin flip.
- 27 % practise single steps: sums, differences and comparisons of digits, whether two words are the same, which class a word belongs to.
- 20 % practise reading off: repeating a list, recalling what belongs to a word, comparing two words or two numbers.
- 17 % are questions with a correct reply: worked out step by step for Reasoning, in a random style otherwise.
So the base knows the language, the form and the single steps; to conclude from them, and not to be taken in by length and layout, is what distillation and reinforcement have to teach.`;

const elaborate = (a: Style, b: Style): Position | undefined => (a === b ? undefined : a > b ? 'A' : 'B');

const judgedStyle = (draws: Draws): Style => Number(draws.weighted(JUDGED_STYLES)) as Style;

/** A judgement with correct steps that names no answer ok or bad, and a verdict that follows style or chance. */
function judgement(item: Item, category: string, draws: Draws): Omit<WarmUpDocument, 'id'> {
  const gold: Position = draws.chance(0.5) ? 'A' : 'B';
  const [first, second] = [judgedStyle(draws), judgedStyle(draws)];
  const contents = gold === 'A' ? [item.good, item.bad] : [item.bad, item.good];
  const answerA = render(contents[0] ?? '', first, draws);
  const answerB = render(contents[1] ?? '', second, draws);
  const [chosen, rejected] = gold === 'A' ? [answerA, answerB] : [answerB, answerA];
  const pair: Pair = { id: '', conversation: item.conversation, chosen, rejected, category };
  const verdict = elaborate(first, second) ?? (draws.chance(0.5) ? 'A' : 'B');
  const steps = stepsOf(item.conversation, answerA, answerB);
  if (steps === undefined) throw new Error(`The expert cannot read a problem of ${category}.`);
  return {
    prompt: promptOf(pair, gold),
    completion: `${steps.replace(/ (?:ok|bad)(?= |$)/g, '')} <answer> [[${verdict}]] </answer>`,
  };
}

function promptOf(pair: Pair, gold: Position): string {
  return buildPrompt('compact-v1', present(pair, gold))[0]?.content ?? '';
}

/** The conversation as a document of its own, and the good reply; Reasoning questions are worked out first. */
function reply(item: Item, draws: Draws): Omit<WarmUpDocument, 'id'> {
  const solution = solutionOf(item.conversation);
  return {
    prompt: item.conversation.map(({ role, content }) => `<${role}> ${content}`).join(' '),
    completion:
      solution === undefined
        ? render(item.good, draws.pick(STYLES), draws)
        : `<solution> ${solution} </solution> ${item.good}`,
  };
}

/**
 * The documents that make the base model, see {@link WHAT_THE_BASE_WAS_TAUGHT}. The same options give the same bytes,
 * and a longer list begins with the shorter one.
 */
export function warmUpDocuments({ seed, count }: { seed: number; count: number }): WarmUpDocument[] {
  return Array.from({ length: count }, (_, i) => {
    const draws = new Draws(seed, 'warm-up', i);
    const sort = draws.weighted(SORTS);
    const id = `warm-up/${sort}/${String(i)}`;
    if (sort === 'drill') return { id, prompt: 'Practice:', completion: drill(draws, DRILL_STEPS) };
    if (sort === 'copy') {
      const { shown, written } = copying(draws);
      return { id, prompt: `Practice: ${shown}`, completion: written };
    }
    const category = draws.weighted(TRAIN_MIX);
    const item = drawFrom(kindOf(category), 'train', draws);
    return { id, ...(sort === 'reply' ? reply(item, draws) : judgement(item, category, draws)) };
  });
}
