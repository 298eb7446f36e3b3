/** From stored judgements to the rows, comparisons and examples of a report. */
import { createHash } from 'node:crypto';
import type { Judgement } from '../../../benchmarks/index.js';
import {
  accuracyTable,
  comparePaired,
  isRight,
  positionStats,
  sectionOf,
  styleBand,
  styleMatrix,
} from '../../../benchmarks/index.js';
import type { Pair } from '../../../judge/pair.js';
import { present } from '../../../judge/pair.js';
import type { ComparisonRow, Example, ExampleKind, SystemRow } from './report-data.js';

/** What one judge said. */
export interface JudgedSystem {
  id: string;
  label: string;
  description?: string;
  /** Of the test pairs, both orders. */
  judgements: readonly Judgement[];
  /** Of the style-matrix pairs, where the data has them apart from the test pairs. */
  matrix?: readonly Judgement[];
}

/** Score one judge. @throws where there is no judgement, or one item was judged twice. */
export function summariseSystem({ id, label, description, judgements, matrix }: JudgedSystem): SystemRow {
  const styles = styleMatrix(matrix ?? judgements);
  return {
    id,
    label,
    ...(description !== undefined && { description }),
    accuracy: accuracyTable(judgements),
    position: positionStats(judgements),
    ...(styles && { matrix: styles }),
    meanTokens: judgements.reduce((sum, { tokens }) => sum + tokens, 0) / judgements.length,
    unfinished: judgements.filter(({ finished }) => !finished).length,
  };
}

/** Each system against the one before it, and the last against the first where others stand between. */
export function compareSystems(systems: readonly JudgedSystem[]): ComparisonRow[] {
  const compare = (from: JudgedSystem, to: JudgedSystem): ComparisonRow => ({
    from: from.id,
    to: to.id,
    ...comparePaired(from.judgements, to.judgements),
  });
  const steps = systems.slice(1).map((system, index) => compare(systems[index] ?? system, system));
  const [first] = systems;
  const last = systems.at(-1);
  return first && last && systems.length > 2 ? [...steps.reverse(), compare(first, last)] : steps;
}

/** How many examples of each kind a report shows. */
const EXAMPLES: Record<ExampleKind, number> = { trap: 2, right: 3, wrong: 3 };

/**
 * Examples of what the judges wrote, drawn by a seeded hash and not by hand. Right and wrong ones are those of the
 * last system, from as many sections as there are; traps are hard style cells which the first system gets wrong and
 * the last gets right.
 */
export function pickExamples(
  systems: readonly JudgedSystem[],
  pairs: readonly Pair[],
  seed: number,
): Example[] {
  const first = systems[0];
  const last = systems.at(-1);
  if (!first || !last) return [];
  const pairOf = new Map(pairs.map((pair) => [pair.id, pair]));
  const said = systems.map(({ id, judgements, matrix = [] }) => ({
    id,
    byItem: new Map([...judgements, ...matrix].map((judgement) => [itemOf(judgement), judgement])),
  }));
  const order = (judgement: Judgement): string =>
    createHash('sha256')
      .update(`example ${seed} ${itemOf(judgement)}`)
      .digest('hex');
  const drawn = [
    ...new Map([...last.judgements, ...(last.matrix ?? [])].map((one) => [itemOf(one), one])).values(),
  ]
    .filter(({ pairId }) => pairOf.has(pairId))
    .map((judgement) => ({ judgement, key: order(judgement) }))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ judgement }) => judgement);
  const saidFirst = said[0]?.byItem;
  const candidates: Record<ExampleKind, Judgement[]> = {
    trap: drawn.filter((judgement) => {
      const earlier = saidFirst?.get(itemOf(judgement));
      const hard = judgement.styles !== undefined && styleBand(judgement.styles) === 'hard';
      return hard && systems.length > 1 && isRight(judgement) && earlier !== undefined && !isRight(earlier);
    }),
    right: drawn.filter(isRight),
    wrong: drawn.filter((judgement) => !isRight(judgement)),
  };
  const used = new Set<string>();
  return (Object.keys(EXAMPLES) as ExampleKind[]).flatMap((kind) =>
    spread(candidates[kind], EXAMPLES[kind], used).map((judgement) => {
      const pair = pairOf.get(judgement.pairId)!;
      const { answerA, answerB, gold } = present(pair, judgement.gold);
      const shown = kind === 'trap' ? said : said.slice(-1);
      return {
        kind,
        pairId: pair.id,
        category: pair.category,
        conversation: pair.conversation,
        answerA,
        answerB,
        gold,
        ...(pair.styles && { styles: pair.styles }),
        judgements: shown.flatMap(({ id, byItem }) => {
          const one = byItem.get(itemOf(judgement));
          if (!one) return [];
          const { verdict, text, tokens, finished } = one;
          return [{ system: id, verdict, right: isRight(one), text, tokens, finished }];
        }),
      };
    }),
  );
}

/** Up to `count` judgements, each from a section not yet taken while there is one, no pair twice. */
function spread(candidates: readonly Judgement[], count: number, used: Set<string>): Judgement[] {
  const taken: Judgement[] = [];
  for (const fresh of [true, false]) {
    for (const judgement of candidates) {
      if (taken.length >= count) return taken;
      const section = sectionOf(judgement.category);
      if (used.has(judgement.pairId)) continue;
      if (fresh && taken.some(({ category }) => sectionOf(category) === section)) continue;
      used.add(judgement.pairId);
      taken.push(judgement);
    }
  }
  return taken;
}

function itemOf({ pairId, gold }: Judgement): string {
  return `${gold} ${pairId}`;
}
